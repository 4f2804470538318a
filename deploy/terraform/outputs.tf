output "serving_url" {
  description = "Where the API and the console are, inside the network or behind your load balancer."
  value       = google_cloud_run_v2_service.serving.uri
}

output "events_topic" {
  description = "Where capture publishes: PUBSUB_TOPIC."
  value       = google_pubsub_topic.topic["events"].name
}

output "capture_service_account" {
  description = "Run the search service as it, or let its account publish as this one does."
  value       = google_service_account.component["capture"].email
}

output "images" {
  description = "Where images are pushed."
  value       = "${var.region}-docker.pkg.dev/${var.project}/${google_artifact_registry_repository.images.repository_id}"
}

output "release" {
  description = "What runs: the variables of the release that was applied last, for a plan that changes none of them."
  value       = { images = var.images, template = var.template }
}
