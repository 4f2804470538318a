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

variable "image" {
  description = "Image of the commands and the API, with a digest: REGION-docker.pkg.dev/PROJECT/shopstream/shopstream@sha256:…"
  type        = string
}

variable "template" {
  description = "gs:// path of the Flex Template's spec, which the release writes."
  type        = string
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
