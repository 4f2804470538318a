locals {
  buckets = {
    archive = { days = 90, why = "Events of capture's Cloud Storage backend, as long as raw tables keep them." }
    failed  = { days = 30, why = "Copies of failed events, with their original bytes." }
    models  = { days = null, why = "Models of the model tier, each under its own version." }
    staging = { days = 14, why = "Dataflow's own files and the Flex Template." }
  }
}

resource "google_storage_bucket" "bucket" {
  for_each = local.buckets

  name                        = "${var.project}-shopstream-${each.key}"
  location                    = var.region
  labels                      = local.labels
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  # Who is erased is not to come back: nothing keeps a deleted object but the models' own versions.
  soft_delete_policy {
    retention_duration_seconds = each.key == "models" ? 604800 : 0
  }

  versioning {
    enabled = each.key == "models"
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.days == null ? [] : [each.value.days]

    content {
      condition {
        age = lifecycle_rule.value
        # Workers that join a job fetch its staged files however old it is, and a template is launched again.
        matches_prefix = each.key == "staging" ? ["temp/"] : null
      }

      action {
        type = "Delete"
      }
    }
  }

  lifecycle_rule {
    condition {
      age                = 1
      with_state         = "ANY"
      num_newer_versions = 10
    }

    action {
      type = "Delete"
    }
  }

  lifecycle_rule {
    condition {
      age = 7
    }

    action {
      type = "AbortIncompleteMultipartUpload"
    }
  }

  depends_on = [google_project_service.api]

  lifecycle {
    prevent_destroy = true
  }
}
