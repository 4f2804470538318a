locals {
  # Their values are put there by hand (docs/deploy.md): Terraform's state holds none of them.
  secrets = {
    serving-api-keys     = "Lines of shopstream-features key new."
    collector-keys       = "Lines of shopstream-capture key."
    privacy-key          = "PRIVACY_KEY: the hash of erased users."
    training-export-key  = "TRAINING_EXPORT_KEY: pseudonyms of training sets."
    alert-webhook-url    = "ALERT_WEBHOOK_URL."
    alert-webhook-secret = "ALERT_WEBHOOK_SECRET."
  }
}

resource "google_secret_manager_secret" "secret" {
  for_each = local.secrets

  secret_id   = "shopstream-${each.key}"
  labels      = local.labels
  annotations = { what = each.value }

  replication {
    user_managed {
      replicas {
        location = var.region
      }
    }
  }

  depends_on = [google_project_service.api]

  lifecycle {
    prevent_destroy = true
  }
}
