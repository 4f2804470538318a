# Ingest by a BigQuery subscription, instead of the Dataflow job: docs/ingest.md. Pub/Sub itself writes every event into the
# landing table, and `land` moves it on. Nothing here is protected from being destroyed, for another value of var.ingest
# takes it away; the page says what to do before.
locals {
  with_job     = var.ingest != "bigquery_subscription"
  with_landing = var.ingest != "dataflow"

  landing = local.warehouse.landing

  landing_jobs = {
    for name, job in {
      land = { account = "land", schedule = var.land_schedule, command = ["shopstream-pipeline", "land"] }
    } : name => job if local.with_landing
  }

  # What runs again and again, whichever way events come.
  scheduled = merge(local.jobs, local.landing_jobs)
}

resource "google_bigquery_dataset" "landing" {
  count = local.with_landing ? 1 : 0

  dataset_id                 = "${var.dataset}${local.landing.suffix}"
  location                   = var.location
  description                = local.landing.description
  labels                     = local.labels
  max_time_travel_hours      = local.landing.max_time_travel_hours
  delete_contents_on_destroy = false

  depends_on = [google_project_service.api]
}

resource "google_bigquery_table" "landing" {
  count = local.with_landing ? 1 : 0

  dataset_id          = google_bigquery_dataset.landing[0].dataset_id
  table_id            = local.landing.table.name
  description         = local.landing.table.description
  schema              = jsonencode(local.landing.table.schema)
  labels              = local.labels
  deletion_protection = false

  time_partitioning {
    type          = "DAY"
    field         = local.landing.table.partition_field
    expiration_ms = local.landing.expiration_ms
  }
}

# Without a filter, which would let what is of no known type go unseen; such rows become failed events.
resource "google_pubsub_subscription" "landing" {
  count = local.with_landing ? 1 : 0

  name                       = local.subscriptions.landing
  topic                      = google_pubsub_topic.topic["events"].id
  labels                     = local.labels
  ack_deadline_seconds       = 60
  message_retention_duration = "604800s"

  bigquery_config {
    table                 = "${var.project}.${google_bigquery_table.landing[0].dataset_id}.${google_bigquery_table.landing[0].table_id}"
    use_table_schema      = true
    write_metadata        = true
    drop_unknown_fields   = true
    service_account_email = google_service_account.component["pubsub"].email
  }

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  # What BigQuery refuses it refuses every time; a table that is away holds messages back and dead-letters none.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.topic["dead_letter"].id
    max_delivery_attempts = 5
  }

  depends_on = [google_bigquery_dataset_iam_member.grant, google_service_account_iam_member.landing_agent]
}

# Pub/Sub's agent writes as our account, so that who may make subscriptions may not for that write into the table.
resource "google_service_account_iam_member" "landing_agent" {
  count = local.with_landing ? 1 : 0

  service_account_id = google_service_account.component["pubsub"].name
  role               = "roles/iam.serviceAccountTokenCreator"
  member             = local.pubsub_agent
}
