// Package telemetry lets people and machines watch a job: metrics that Prometheus
// scrapes, /livez and /readyz for whoever restarts or routes, and structured logs.
//
// It is told things: pipeline and training report to a Metrics, which implements their
// observers; nothing below the command line knows this package, and core reports to
// nobody. A job without an address to serve on has the same Metrics and no server.
//
// Catalog is the one list of metrics: they are made from it, and tests hold the table in
// docs/operations.md and the dashboards in pipeline/deploy to it.
package telemetry
