locals {
  topics = {
    events      = "shopstream-events"
    dead_letter = "shopstream-events-dead-letter"
    alerts      = "shopstream-alerts"
  }

  # By who has them: the job, or where there is none Pub/Sub itself.
  subscriptions = {
    pipeline = "shopstream-events-pipeline"
    landing  = "shopstream-events-landing"
  }
}

# No schema on the topic: a message holds many events, packed, and what is wrong with one of them is known of that one.
# A schema would refuse the whole message at the publisher.
resource "google_pubsub_topic" "topic" {
  for_each = local.topics

  name   = each.value
  labels = local.labels
  # A week in which what a mistake acknowledged can be had again by seeking the subscription back.
  message_retention_duration = each.key == "events" ? "604800s" : null

  message_storage_policy {
    allowed_persistence_regions = [var.region]
    enforce_in_transit          = true
  }

  depends_on = [google_project_service.api]

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_pubsub_subscription" "pipeline" {
  count = local.with_job ? 1 : 0

  name                         = local.subscriptions.pipeline
  topic                        = google_pubsub_topic.topic["events"].id
  labels                       = local.labels
  ack_deadline_seconds         = 60
  message_retention_duration   = "604800s"
  retain_acked_messages        = false
  enable_exactly_once_delivery = false

  expiration_policy {
    ttl = ""
  }

  retry_policy {
    minimum_backoff = "10s"
    maximum_backoff = "600s"
  }

  # The job acknowledges also what is wrong, as failed events; what comes here was delivered a hundred times and never
  # acknowledged at all.
  dead_letter_policy {
    dead_letter_topic     = google_pubsub_topic.topic["dead_letter"].id
    max_delivery_attempts = 100
  }

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_pubsub_subscription" "dead_letter" {
  name                       = "shopstream-events-dead-letter"
  topic                      = google_pubsub_topic.topic["dead_letter"].id
  labels                     = local.labels
  message_retention_duration = "2678400s"

  expiration_policy {
    ttl = ""
  }
}

resource "google_pubsub_subscription" "alerts" {
  name                       = "shopstream-alerts"
  topic                      = google_pubsub_topic.topic["alerts"].id
  labels                     = local.labels
  message_retention_duration = "604800s"

  expiration_policy {
    ttl = ""
  }
}

# Pub/Sub itself moves messages to the dead-letter topic, and acknowledges them where they were.
data "google_project" "this" {
  project_id = var.project
}

locals {
  pubsub_agent = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
}

resource "google_pubsub_topic_iam_member" "dead_letter_agent" {
  topic  = google_pubsub_topic.topic["dead_letter"].id
  role   = "roles/pubsub.publisher"
  member = local.pubsub_agent
}

resource "google_pubsub_subscription_iam_member" "dead_letter_agent" {
  for_each = merge(
    { for subscription in google_pubsub_subscription.pipeline : "pipeline" => subscription.id },
    { for subscription in google_pubsub_subscription.landing : "landing" => subscription.id },
  )

  subscription = each.value
  role         = "roles/pubsub.subscriber"
  member       = local.pubsub_agent
}
