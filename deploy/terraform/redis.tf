resource "google_compute_network" "private" {
  name                    = "shopstream"
  auto_create_subnetworks = false
  depends_on              = [google_project_service.api]
}

resource "google_compute_subnetwork" "private" {
  name                     = "shopstream"
  network                  = google_compute_network.private.id
  region                   = var.region
  ip_cidr_range            = "10.80.0.0/20"
  private_ip_google_access = true
}

# Workers of the job talk to each other, and nobody else to them.
resource "google_compute_firewall" "workers" {
  name        = "shopstream-workers"
  network     = google_compute_network.private.name
  source_tags = ["dataflow"]
  target_tags = ["dataflow"]

  allow {
    protocol = "tcp"
    ports    = ["12345-12346"]
  }
}

resource "google_redis_instance" "features" {
  count = var.redis_enabled ? 1 : 0

  name               = "shopstream-features"
  region             = var.region
  tier               = var.environment == "prod" ? "STANDARD_HA" : "BASIC"
  memory_size_gb     = var.redis_memory_gb
  redis_version      = "REDIS_7_2"
  authorized_network = google_compute_network.private.id
  labels             = local.labels

  # A full cache refuses what is new and keeps what is published: docs/serving.md.
  redis_configs = {
    maxmemory-policy = "noeviction"
  }

  maintenance_policy {
    weekly_maintenance_window {
      day = "SUNDAY"

      start_time {
        hours   = 4
        minutes = 0
        seconds = 0
        nanos   = 0
      }
    }
  }

  depends_on = [google_project_service.api]
}
