locals {
  # What runs again and again: as whom, when (UTC), and which command.
  jobs = {
    close-days   = { account = "upkeep", schedule = "30 1 * * *", command = ["shopstream-pipeline", "close-days"] }
    features     = { account = "features", schedule = "0 2 * * *", command = ["shopstream-features", "run", "--as-of", "yesterday"] }
    cost         = { account = "upkeep", schedule = "0 6 * * *", command = ["shopstream-pipeline", "cost", "--keep"] }
    quality      = { account = "upkeep", schedule = "5 * * * *", command = ["shopstream-pipeline", "quality", "check"] }
    privacy      = { account = "privacy", schedule = "35 * * * *", command = ["shopstream-pipeline", "privacy", "run"] }
    instructions = { account = "privacy", schedule = "* * * * *", command = ["shopstream-pipeline", "instructions", "run"] }
    alerts       = { account = "upkeep", schedule = "* * * * *", command = ["shopstream-pipeline", "alerts", "check"] }
  }

  # Which image holds a command.
  image_of = {
    shopstream-pipeline = var.images.upkeep
    shopstream-features = var.images.features
  }

  # Settings that are secrets, by who needs them.
  secret_settings = {
    features = { TRAINING_EXPORT_KEY = "training-export-key" }
    land     = { PRIVACY_KEY = "privacy-key" }
    privacy  = { PRIVACY_KEY = "privacy-key" }
    upkeep   = var.alert_webhook_enabled ? { ALERT_WEBHOOK_URL = "alert-webhook-url", ALERT_WEBHOOK_SECRET = "alert-webhook-secret" } : {}
  }
}

resource "google_cloud_run_v2_job" "job" {
  for_each = local.scheduled

  name                = "shopstream-${each.key}"
  location            = var.region
  labels              = local.labels
  deletion_protection = false

  template {
    template {
      service_account = google_service_account.component[each.value.account].email
      timeout         = "3600s"
      max_retries     = 1

      containers {
        image   = local.image_of[each.value.command[0]]
        command = each.value.command

        resources {
          limits = {
            cpu    = each.key == "features" ? "4" : "1"
            memory = each.key == "features" ? "16Gi" : "2Gi"
          }
        }

        dynamic "env" {
          for_each = local.settings

          content {
            name  = env.key
            value = tostring(env.value)
          }
        }

        dynamic "env" {
          for_each = lookup(local.secret_settings, each.value.account, {})

          content {
            name = env.key

            value_source {
              secret_key_ref {
                secret  = google_secret_manager_secret.secret[env.value].secret_id
                version = "latest"
              }
            }
          }
        }
      }

      vpc_access {
        egress = "PRIVATE_RANGES_ONLY"

        network_interfaces {
          network    = google_compute_network.private.name
          subnetwork = google_compute_subnetwork.private.name
        }
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.grant]
}

resource "google_cloud_scheduler_job" "job" {
  for_each = local.scheduled

  name             = "shopstream-${each.key}"
  region           = var.region
  schedule         = each.value.schedule
  time_zone        = "Etc/UTC"
  attempt_deadline = "180s"

  retry_config {
    retry_count          = 3
    min_backoff_duration = "10s"
  }

  http_target {
    http_method = "POST"
    uri         = "https://run.googleapis.com/v2/${google_cloud_run_v2_job.job[each.key].id}:run"

    oauth_token {
      service_account_email = google_service_account.component["scheduler"].email
    }
  }
}

resource "google_cloud_run_v2_job_iam_member" "scheduler" {
  for_each = local.scheduled

  name     = google_cloud_run_v2_job.job[each.key].name
  location = var.region
  role     = "roles/run.invoker"
  member   = local.members["scheduler"]
}

# The HTTP API and the console.
resource "google_cloud_run_v2_service" "serving" {
  name                = "shopstream-serving"
  location            = var.region
  labels              = local.labels
  ingress             = "INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"
  deletion_protection = var.environment == "prod"

  template {
    service_account                  = google_service_account.component["serving"].email
    max_instance_request_concurrency = 200
    timeout                          = "30s"

    scaling {
      min_instance_count = var.api_min_instances
      max_instance_count = var.api_max_instances
    }

    containers {
      image   = var.images.serving
      command = ["shopstream-features", "serve"]

      ports {
        container_port = 8081
      }

      resources {
        cpu_idle          = false
        startup_cpu_boost = true

        limits = {
          cpu    = "1"
          memory = "1Gi"
        }
      }

      startup_probe {
        period_seconds    = 2
        failure_threshold = 30

        http_get {
          path = "/healthz"
        }
      }

      liveness_probe {
        period_seconds = 30

        http_get {
          path = "/healthz"
        }
      }

      dynamic "env" {
        for_each = merge(local.settings, {
          SERVING_API_HOST      = "0.0.0.0"
          SERVING_API_KEYS_FILE = "/secrets/keys/keys"
        })

        content {
          name  = env.key
          value = tostring(env.value)
        }
      }

      volume_mounts {
        name       = "keys"
        mount_path = "/secrets/keys"
      }
    }

    volumes {
      name = "keys"

      secret {
        secret = google_secret_manager_secret.secret["serving-api-keys"].secret_id

        items {
          path    = "keys"
          version = "latest"
        }
      }
    }

    vpc_access {
      egress = "PRIVATE_RANGES_ONLY"

      network_interfaces {
        network    = google_compute_network.private.name
        subnetwork = google_compute_subnetwork.private.name
      }
    }
  }

  depends_on = [google_secret_manager_secret_iam_member.grant]
}

resource "google_cloud_run_v2_service_iam_member" "callers" {
  for_each = toset(var.api_callers)

  name     = google_cloud_run_v2_service.serving.name
  location = var.region
  role     = "roles/run.invoker"
  member   = each.key
}
