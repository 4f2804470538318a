# The images, each for one role. From the root of the project, with what bases.sh prints in the environment:
#   docker buildx bake --file deploy/containers/docker-bake.hcl
variable "PYTHON" {
  description = "The base of every image, with its digest."
}

variable "BEAM" {
  description = "Beam's image for workers, of the version that is locked: its boot program is taken."
}

variable "LAUNCHER" {
  description = "Google's image that launches Flex Templates: its program is taken."
}

variable "REGISTRY" {
  description = "Where images go: Terraform's output `images`."
  default     = "shopstream"
}

variable "VERSION" {
  description = "The tag of all."
  default     = "dev"
}

variable "REVISION" {
  description = "The commit they are built from."
  default     = ""
}

group "default" {
  targets = ["collector", "features", "job", "serving", "upkeep"]
}

target "image" {
  context    = "."
  dockerfile = "deploy/containers/Dockerfile"
  platforms  = ["linux/amd64"]

  args = {
    PYTHON   = PYTHON
    BEAM     = BEAM
    LAUNCHER = LAUNCHER
  }

  labels = {
    "org.opencontainers.image.base.name" = PYTHON
    "org.opencontainers.image.revision"  = REVISION
    "org.opencontainers.image.version"   = VERSION
  }
}

# Capture alone: `shopstream-capture serve` and `forward`.
target "collector" {
  inherits = ["image"]
  target   = "collector"
  tags     = ["${REGISTRY}/collector:${VERSION}"]
  args     = { EXTRAS = "collector,metrics,pubsub,storage" }
}

# The nightly feature jobs, with the model tier.
target "features" {
  inherits = ["image"]
  target   = "features"
  tags     = ["${REGISTRY}/features:${VERSION}"]
  args     = { EXTRAS = "features,models" }
}

# Dataflow's workers and launcher.
target "job" {
  inherits = ["image"]
  target   = "job"
  tags     = ["${REGISTRY}/job:${VERSION}"]
  args     = { EXTRAS = "pipeline" }
}

# The HTTP API and the console.
target "serving" {
  inherits = ["image"]
  target   = "serving"
  tags     = ["${REGISTRY}/serving:${VERSION}"]
  args     = { EXTRAS = "api,features" }
}

# What looks after the tables: closing days, quality, cost, alerts, erasure.
target "upkeep" {
  inherits = ["image"]
  target   = "upkeep"
  tags     = ["${REGISTRY}/upkeep:${VERSION}"]
  args     = { EXTRAS = "pipeline" }
}
