# Every right of every component is a line of generated/access.json, which comes from deploy/access.py and is told in
# docs/permissions.md. A test holds that nothing is granted here that is not there.
resource "google_service_account" "component" {
  for_each = { for component in local.access.components : component.name => component if component.has_account }

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
    for kind in ["project", "dataset", "table", "bucket", "topic", "subscription", "secret"] : kind => {
      for grant in local.access.grants : "${grant.component} ${grant.role} ${grant.on}" => grant
      if grant.kind == kind && contains(keys(local.members), grant.component)
    }
  }

  # Our own role by its whole name.
  roles = { (local.access.row_writer.role_id) = google_project_iam_custom_role.row_writer.id }
}

resource "google_project_iam_custom_role" "row_writer" {
  role_id     = local.access.row_writer.role_id
  title       = "Shopstream row writer"
  description = "Reads and changes rows of a table; cannot make, change or delete a table."
  permissions = local.access.row_writer.permissions
}

resource "google_project_iam_member" "grant" {
  for_each = local.grants.project

  project = var.project
  role    = each.value.role
  member  = local.members[each.value.component]
}

resource "google_bigquery_dataset_iam_member" "grant" {
  for_each = local.grants.dataset

  dataset_id = google_bigquery_dataset.dataset[each.value.on].dataset_id
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

  subscription = google_pubsub_subscription.pipeline.id
  role         = each.value.role
  member       = local.members[each.value.component]
}

resource "google_secret_manager_secret_iam_member" "grant" {
  for_each = local.grants.secret

  secret_id = google_secret_manager_secret.secret[each.value.on].id
  role      = each.value.role
  member    = local.members[each.value.component]
}
