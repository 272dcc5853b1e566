package ops

// What the server has, and the files here may speak of.

// family is a metric family of /metrics.
type family struct {
	kind   string // counter, gauge, histogram or summary
	label  string // besides job and instance; "" if none
	values string // of the label, apart by spaces; "" if they are open
}

var families = map[string]family{
	"chatd_connections":          {kind: "gauge"},
	"chatd_members":              {kind: "gauge"},
	"chatd_handshakes_in_flight": {kind: "gauge"},
	"chatd_log_segments":         {kind: "gauge"},
	"chatd_log_bytes":            {kind: "gauge"},
	"chatd_lagging_members":      {kind: "gauge"},
	"chatd_pool_queue_depth":     {kind: "gauge"},
	"chatd_pool_workers":         {kind: "gauge"},
	"chatd_draining":             {kind: "gauge"},
	"chatd_max_connections":      {kind: "gauge"},
	"chatd_build_info":           {kind: "gauge", label: "version"}, // and go_version

	"chatd_accepted_total":                 {kind: "counter"},
	"chatd_joined_total":                   {kind: "counter"},
	"chatd_messages_total":                 {kind: "counter"},
	"chatd_deliveries_total":               {kind: "counter"},
	"chatd_deliveries_due_total":           {kind: "counter"},
	"chatd_deliveries_lost_total":          {kind: "counter"},
	"chatd_received_bytes_total":           {kind: "counter"},
	"chatd_sent_bytes_total":               {kind: "counter"},
	"chatd_panics_total":                   {kind: "counter"},
	"chatd_compressed_messages_total":      {kind: "counter"},
	"chatd_compression_input_bytes_total":  {kind: "counter"},
	"chatd_compression_output_bytes_total": {kind: "counter"},
	"chatd_inflated_messages_total":        {kind: "counter"},
	"chatd_handshake_failures_total": {kind: "counter", label: "reason",
		values: "bad_request header_too_large method protocol host upgrade version bad_key origin handshake_timeout given_back source_limit handshake_limit"},
	"chatd_dropped_total": {kind: "counter", label: "reason",
		values: "slow_consumer write_timeout ping_timeout idle rate fragments protocol utf8 too_big going_away reset panic"},
	"chatd_throttled_total":     {kind: "counter", label: "limit", values: "messages bytes controls"},
	"chatd_accept_pauses_total": {kind: "counter", label: "reason", values: "max_conns descriptors"},

	"chatd_pass_duration_seconds": {kind: "histogram"},
	"chatd_lag_messages":          {kind: "histogram"},

	"go_gc_duration_seconds":        {kind: "summary", label: "quantile", values: "0 0.25 0.5 0.75 1"},
	"go_goroutines":                 {kind: "gauge"},
	"go_threads":                    {kind: "gauge"},
	"go_memstats_heap_inuse_bytes":  {kind: "gauge"},
	"process_cpu_seconds_total":     {kind: "counter"},
	"process_resident_memory_bytes": {kind: "gauge"},
	"process_open_fds":              {kind: "gauge"},
	"process_max_fds":               {kind: "gauge"},
	"process_start_time_seconds":    {kind: "gauge"},

	"up": {kind: "gauge"}, // of Prometheus
}

// flags are those of chatd and of chatd check, apart by spaces.
const flags = `addr assets workers io-uring ping-interval allow-origin log-level version
	max-conns max-conns-per-ip max-handshakes max-header handshake-timeout
	max-message max-fragments rate-messages rate-bytes rate-controls rate-close
	idle-timeout write-timeout queue drain-timeout drain-spread compress admin conns`
