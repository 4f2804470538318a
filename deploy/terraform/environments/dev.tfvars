environment    = "dev"
region         = "europe-west1"
location       = "EU"
monthly_budget = 50
