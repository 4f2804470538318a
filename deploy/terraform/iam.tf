# Every right of every component is a line of generated/access.json, which comes from deploy/access.py and is told in
# docs/permissions.md. A test holds that nothing is granted here that is not there.
resource "google_service_account" "component" {
  for_each = {
    for component in local.access.components : component.name => component
    if component.has_account && (component.ingest == "either" || contains([component.ingest, "both"], var.ingest))
  }

  account_id   = "shopstream-${each.key}"
  display_name = "Shopstream ${each.key}"
  description  = each.value.what
  depends_on   = [google_project_service.api]
}

locals {
  members = merge(
    { for name, account in google_service_account.component : name => "serviceAccount:${account.email}" },
    var.analysts_group == null ? {} : { analysts = "group:${var.analysts_group}" },
  )

  # By what they are on; a group that was not named gets nothing.
  grants = {
    for kind in ["project", "dataset", "table", "bucket", "topic", "subscription", "secret", "repository"] : kind => {
      for grant in local.access.grants : "${grant.component} ${grant.role} ${grant.on}" => grant
      if grant.kind == kind && contains(keys(local.members), grant.component)
    }
  }

  # Those of the tables, and where there is one that of the landing tables.
  made_datasets = merge(
    { for suffix, dataset in google_bigquery_dataset.dataset : suffix => dataset.dataset_id },
    { for dataset in google_bigquery_dataset.landing : local.warehouse.landing.suffix => dataset.dataset_id },
  )

  # Roles of our own by their whole names.
  roles = { for role_id, role in google_project_iam_custom_role.ours : role_id => role.id }
}

resource "google_project_iam_custom_role" "ours" {
  for_each = { for role in local.access.roles : role.role_id => role }

  role_id     = each.key
  title       = each.value.title
  description = each.value.what
  permissions = each.value.permissions
}

resource "google_project_iam_member" "grant" {
  for_each = local.grants.project

  project = var.project
  role    = each.value.role
  member  = local.members[each.value.component]
}

resource "google_bigquery_dataset_iam_member" "grant" {
  for_each = local.grants.dataset

  dataset_id = local.made_datasets[each.value.on]
  role       = lookup(local.roles, each.value.role, each.value.role)
  member     = local.members[each.value.component]
}

resource "google_bigquery_table_iam_member" "grant" {
  for_each = local.grants.table

  dataset_id = google_bigquery_table.table[each.value.on].dataset_id
  table_id   = google_bigquery_table.table[each.value.on].table_id
  role       = lookup(local.roles, each.value.role, each.value.role)
  member     = local.members[each.value.component]
}

resource "google_storage_bucket_iam_member" "grant" {
  for_each = local.grants.bucket

  bucket = google_storage_bucket.bucket[each.value.on].name
  role   = each.value.role
  member = local.members[each.value.component]
}

resource "google_pubsub_topic_iam_member" "grant" {
  for_each = local.grants.topic

  topic  = google_pubsub_topic.topic[each.value.on].id
  role   = each.value.role
  member = local.members[each.value.component]
}

resource "google_pubsub_subscription_iam_member" "grant" {
  for_each = local.grants.subscription

  subscription = google_pubsub_subscription.pipeline[0].id
  role         = each.value.role
  member       = local.members[each.value.component]
}

resource "google_secret_manager_secret_iam_member" "grant" {
  for_each = local.grants.secret

  secret_id = google_secret_manager_secret.secret[each.value.on].id
  role      = each.value.role
  member    = local.members[each.value.component]
}

resource "google_artifact_registry_repository_iam_member" "grant" {
  for_each = local.grants.repository

  repository = google_artifact_registry_repository.images.name
  location   = google_artifact_registry_repository.images.location
  role       = each.value.role
  member     = local.members[each.value.component]
}
