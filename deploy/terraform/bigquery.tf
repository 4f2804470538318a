resource "google_bigquery_dataset" "dataset" {
  for_each = { for dataset in local.warehouse.datasets : dataset.suffix => dataset }

  dataset_id                 = local.datasets[each.key]
  location                   = var.location
  description                = each.value.description
  labels                     = local.labels
  max_time_travel_hours      = each.value.max_time_travel_hours
  delete_contents_on_destroy = false

  depends_on = [google_project_service.api]

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_bigquery_table" "table" {
  for_each = { for table in local.warehouse.tables : "${table.dataset}.${table.name}" => table }

  dataset_id          = google_bigquery_dataset.dataset[each.value.dataset].dataset_id
  table_id            = each.value.name
  description         = each.value.description
  schema              = jsonencode(each.value.schema)
  clustering          = length(each.value.clustering) > 0 ? each.value.clustering : null
  labels              = merge(local.labels, each.value.labels)
  deletion_protection = true

  time_partitioning {
    type          = "DAY"
    field         = each.value.partition_field
    expiration_ms = each.value.expiration_ms
  }

  lifecycle {
    prevent_destroy = true
  }
}

# A view's text is made anew when the code's text changes; between releases `close-days` writes into it from which day on
# raw rows are not closed yet.
resource "terraform_data" "view_text" {
  for_each = { for view in local.warehouse.views : "${view.dataset}.${view.name}" => view.query }

  input = each.value
}

resource "google_bigquery_table" "view" {
  for_each = { for view in local.warehouse.views : "${view.dataset}.${view.name}" => view }

  dataset_id          = google_bigquery_dataset.dataset[each.value.dataset].dataset_id
  table_id            = each.value.name
  description         = each.value.description
  labels              = merge(local.labels, each.value.labels)
  deletion_protection = false

  view {
    query          = replace(replace(each.value.query, "{dataset}", "${var.project}.${var.dataset}"), "{allowed_otherwise}", upper(tostring(var.consent_otherwise == "granted")))
    use_legacy_sql = false
  }

  depends_on = [google_bigquery_table.table, google_bigquery_dataset_access.views]

  lifecycle {
    ignore_changes       = [view]
    replace_triggered_by = [terraform_data.view_text[each.key]]
  }
}

# Who may read the views need not be able to read what they are made of.
resource "google_bigquery_dataset_access" "views" {
  for_each = { for suffix, name in local.datasets : suffix => name if suffix != "" }

  dataset_id = google_bigquery_dataset.dataset[each.key].dataset_id

  dataset {
    target_types = ["VIEWS"]

    dataset {
      project_id = var.project
      dataset_id = google_bigquery_dataset.dataset[""].dataset_id
    }
  }
}
