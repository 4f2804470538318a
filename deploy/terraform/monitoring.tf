locals {
  # What somebody is told of, and when; docs/runbook.md has a section of the same name for each, and a test says so.
  alert_policies = {
    job-behind = {
      says      = "The oldest event that is not stored yet is older than five minutes."
      filter    = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = monitoring.regex.full_match(\"${join("|", values(local.subscriptions))}\") AND metric.type = \"pubsub.googleapis.com/subscription/oldest_unacked_message_age\""
      aligner   = "ALIGN_MAX"
      threshold = 300
      duration  = "300s"
      severity  = "CRITICAL"
    }
    messages-dead-lettered = {
      says      = "Messages were delivered again and again and never acknowledged, or BigQuery refuses them."
      filter    = "resource.type = \"pubsub_subscription\" AND resource.labels.subscription_id = \"${google_pubsub_subscription.dead_letter.name}\" AND metric.type = \"pubsub.googleapis.com/subscription/num_undelivered_messages\""
      aligner   = "ALIGN_MAX"
      threshold = 0
      duration  = "0s"
      severity  = "ERROR"
    }
    job-failed = {
      says      = "The streaming job has failed."
      filter    = "resource.type = \"dataflow_job\" AND metric.type = \"dataflow.googleapis.com/job/is_failed\""
      aligner   = "ALIGN_MAX"
      threshold = 0
      duration  = "0s"
      severity  = "CRITICAL"
    }
    events-failed = {
      says      = "More than a thousand events failed within ten minutes."
      filter    = "resource.type = \"${local.with_job ? "dataflow_step" : "cloud_run_job"}\" AND metric.type = \"logging.googleapis.com/user/${google_logging_metric.events_failed.name}\""
      aligner   = "ALIGN_SUM"
      threshold = 1000
      duration  = "0s"
      severity  = "ERROR"
    }
    command-failed = {
      says      = "A command that runs again and again has ended with an error."
      filter    = "resource.type = \"cloud_run_job\" AND metric.type = \"run.googleapis.com/job/completed_execution_count\" AND metric.labels.result = \"failed\""
      aligner   = "ALIGN_SUM"
      threshold = 0
      duration  = "0s"
      severity  = "ERROR"
    }
    serving-errors = {
      says      = "The API or the console answers with 5xx."
      filter    = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${google_cloud_run_v2_service.serving.name}\" AND metric.type = \"run.googleapis.com/request_count\" AND metric.labels.response_code_class = \"5xx\""
      aligner   = "ALIGN_SUM"
      threshold = 10
      duration  = "0s"
      severity  = "ERROR"
    }
    serving-slow = {
      says      = "One request in a hundred to the API takes longer than a second."
      filter    = "resource.type = \"cloud_run_revision\" AND resource.labels.service_name = \"${google_cloud_run_v2_service.serving.name}\" AND metric.type = \"run.googleapis.com/request_latencies\""
      aligner   = "ALIGN_PERCENTILE_99"
      threshold = 1000
      duration  = "300s"
      severity  = "WARNING"
    }
    redis-full = {
      says      = "Redis is nine tenths full."
      filter    = "resource.type = \"redis_instance\" AND metric.type = \"redis.googleapis.com/stats/memory/usage_ratio\""
      aligner   = "ALIGN_MAX"
      threshold = 0.9
      duration  = "300s"
      severity  = "WARNING"
    }
  }
}

resource "google_monitoring_notification_channel" "email" {
  display_name = "Shopstream"
  type         = "email"

  labels = {
    email_address = var.alert_email
  }

  depends_on = [google_project_service.api]
}

# Each line of the job's log, or of that of `land`, that says `events failed` has how many.
resource "google_logging_metric" "events_failed" {
  name            = "shopstream/events_failed"
  filter          = "(resource.type = \"dataflow_step\" AND jsonPayload.message = \"events failed\") OR (resource.type = \"cloud_run_job\" AND jsonPayload.event = \"events failed\")"
  value_extractor = "EXTRACT(jsonPayload.events)"

  metric_descriptor {
    metric_kind = "DELTA"
    value_type  = "DISTRIBUTION"
    unit        = "1"
  }
}

resource "google_monitoring_alert_policy" "policy" {
  for_each = local.alert_policies

  display_name = "Shopstream: ${each.key}"
  combiner     = "OR"
  severity     = each.value.severity
  user_labels  = local.labels

  conditions {
    display_name = each.value.says

    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.threshold
      duration        = each.value.duration

      aggregations {
        alignment_period   = "600s"
        per_series_aligner = each.value.aligner
      }
    }
  }

  documentation {
    mime_type = "text/markdown"
    content   = "${each.value.says} What to look at and what to do: docs/runbook.md#${each.key}"
  }

  notification_channels = [google_monitoring_notification_channel.email.id]

  alert_strategy {
    auto_close = "86400s"
  }
}

resource "google_monitoring_dashboard" "pipeline" {
  dashboard_json = jsonencode({
    displayName = "Shopstream"
    mosaicLayout = {
      columns = 12
      tiles = [
        for place, name in keys(local.alert_policies) : {
          xPos   = (place % 2) * 6
          yPos   = floor(place / 2) * 4
          width  = 6
          height = 4
          widget = {
            title = local.alert_policies[name].says
            xyChart = {
              dataSets = [{
                timeSeriesQuery = {
                  timeSeriesFilter = {
                    filter = local.alert_policies[name].filter
                    aggregation = {
                      alignmentPeriod  = "60s"
                      perSeriesAligner = local.alert_policies[name].aligner
                    }
                  }
                }
              }]
              thresholds = [{ value = local.alert_policies[name].threshold }]
            }
          }
        }
      ]
    }
  })

  depends_on = [google_project_service.api]
}

resource "google_billing_budget" "month" {
  count = var.billing_account == null ? 0 : 1

  billing_account = var.billing_account
  display_name    = "Shopstream ${var.environment}"

  budget_filter {
    projects = ["projects/${data.google_project.this.number}"]
  }

  amount {
    specified_amount {
      currency_code = "USD"
      units         = tostring(var.monthly_budget)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]

    content {
      threshold_percent = threshold_rules.value
    }
  }

  all_updates_rule {
    monitoring_notification_channels = [google_monitoring_notification_channel.email.id]
  }
}
