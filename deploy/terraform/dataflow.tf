locals {
  # Settings of the job, by the names of the template's parameters.
  job_settings = {
    bigquery_dataset      = var.dataset
    bigquery_location     = var.location
    bigquery_write_method = var.write_method
    pubsub_topic          = google_pubsub_topic.topic["events"].name
    pubsub_subscription   = local.subscriptions.pipeline
    failed_events_bucket  = google_storage_bucket.bucket["failed"].name
    live_features_enabled = "true"
    redis_enabled         = tostring(var.redis_enabled)
    redis_url             = local.settings.REDIS_URL
    consent_otherwise     = var.consent_otherwise
    # Its name: workers read the key with their own account, and no one else sees it.
    privacy_key_secret = "${google_secret_manager_secret.secret["privacy-key"].id}/versions/latest"
  }
}

resource "google_dataflow_flex_template_job" "pipeline" {
  provider = google-beta
  count    = local.with_job ? 1 : 0

  name                    = "shopstream"
  region                  = var.region
  container_spec_gcs_path = var.template
  sdk_container_image     = var.images.job
  labels                  = local.labels
  service_account_email   = google_service_account.component["job"].email
  staging_location        = "gs://${google_storage_bucket.bucket["staging"].name}/staging"
  temp_location           = "gs://${google_storage_bucket.bucket["staging"].name}/temp"
  machine_type            = var.job_machine_type
  max_workers             = var.job_max_workers
  num_workers             = 1
  enable_streaming_engine = true
  network                 = google_compute_network.private.name
  subnetwork              = "regions/${var.region}/subnetworks/${google_compute_subnetwork.private.name}"
  ip_configuration        = "WORKER_IP_PRIVATE"
  # A change that cannot be made to the running job drains it, and what is on its way is stored first.
  on_delete = "drain"

  parameters = merge(local.job_settings, var.job_settings)

  depends_on = [
    google_bigquery_table.table,
    google_bigquery_table.view,
    google_bigquery_dataset_iam_member.grant,
    google_bigquery_table_iam_member.grant,
    google_project_iam_member.grant,
    google_pubsub_subscription_iam_member.grant,
    google_secret_manager_secret_iam_member.grant,
    google_storage_bucket_iam_member.grant,
  ]
}
