variable "project" {
  description = "The Google Cloud project, which must exist and have a billing account."
  type        = string
}

variable "region" {
  description = "Where the job, the services and the buckets are."
  type        = string
  default     = "europe-west1"
}

variable "location" {
  description = "Where BigQuery keeps the data: a region, or EU or US. Data never leaves it."
  type        = string
  default     = "EU"
}

variable "environment" {
  description = "dev or prod: a label on everything, and part of no name."
  type        = string

  validation {
    condition     = contains(["dev", "prod"], var.environment)
    error_message = "environment is dev or prod."
  }
}

variable "dataset" {
  description = "BIGQUERY_DATASET: the dataset of the views; the others have a suffix to it."
  type        = string
  default     = "shopstream"
}

variable "images" {
  description = "Image of each role, with its digest: REGION-docker.pkg.dev/PROJECT/shopstream/ROLE@sha256:… The release writes them."
  type = object({
    features = string
    job      = string
    serving  = string
    upkeep   = string
  })
}

variable "template" {
  description = "gs:// path of the Flex Template's spec, which the release writes."
  type        = string
}

variable "ingest" {
  description = "How events get from Pub/Sub into BigQuery: dataflow, by the streaming job; or bigquery_subscription, by Pub/Sub itself and the command land, for which capture needs CAPTURE_MESSAGE_EVENTS=1; or both, between the two: docs/ingest.md."
  type        = string
  default     = "dataflow"

  validation {
    condition     = contains(["dataflow", "bigquery_subscription", "both"], var.ingest)
    error_message = "ingest is dataflow, bigquery_subscription or both."
  }
}

variable "land_schedule" {
  description = "When land runs, where ingest is not dataflow: so long events wait at most, and more often costs more."
  type        = string
  default     = "*/15 * * * *"
}

variable "write_method" {
  description = "BIGQUERY_WRITE_METHOD of the job."
  type        = string
  default     = "streaming_inserts"
}

variable "job_machine_type" {
  description = "Machine of the job's workers."
  type        = string
  default     = "n1-standard-1"
}

variable "job_max_workers" {
  description = "So many workers at most."
  type        = number
  default     = 3
}

variable "job_settings" {
  description = "Other settings of the job, as docs/settings.md has them, in lower case: visit_shards, bigquery_streams_per_table."
  type        = map(string)
  default     = {}
}

variable "redis_enabled" {
  description = "Whether there is a Memorystore for Redis, and REDIS_ENABLED."
  type        = bool
  default     = false
}

variable "redis_memory_gb" {
  description = "Its size."
  type        = number
  default     = 1
}

variable "api_min_instances" {
  description = "Instances of the API that always run; 0 lets it start with the first request."
  type        = number
  default     = 0
}

variable "api_max_instances" {
  description = "Instances of the API at most."
  type        = number
  default     = 4
}

variable "api_callers" {
  description = "Who may reach the API and the console at all, before any key: IAM members such as group:staff@example.com."
  type        = list(string)
  default     = []
}

variable "analysts_group" {
  description = "Google group of those who query the views; null for none."
  type        = string
  default     = null
}

variable "alert_email" {
  description = "Who is told by Cloud Monitoring."
  type        = string
}

variable "alert_webhook_enabled" {
  description = "Whether ALERT_WEBHOOK_URL is read from the secret alert-webhook-url."
  type        = bool
  default     = false
}

variable "billing_account" {
  description = "Billing account the budget is on; null for no budget."
  type        = string
  default     = null
}

variable "monthly_budget" {
  description = "US dollars a month: the budget, and MONTHLY_BUDGET of the cost command."
  type        = number
  default     = 100
}

variable "consent_otherwise" {
  description = "CONSENT_OTHERWISE: granted (opt-out) or denied (opt-in)."
  type        = string
  default     = "granted"
}
