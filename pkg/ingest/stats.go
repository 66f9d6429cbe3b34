package ingest

// Stats are the receiver's numbers since its store was made, of one tenant or summed over all.
type Stats struct {
	Tenant       string `json:"tenant,omitempty"` // empty in a sum
	Reports      int64  `json:"reports"`          // complete, counting each revision
	Incomplete   int64  `json:"incomplete"`       // reports that wait for parts now
	Parts        int64  `json:"parts"`            // stored, each once
	Findings     int64  `json:"findings"`         // distinct and visible
	Duplicates   int64  `json:"duplicates"`       // findings seen again by a later report
	Repeated     int64  `json:"repeated_parts"`   // parts resent, and answered from memory
	Rejected     int64  `json:"rejected"`         // requests refused for what they held
	Assets       int64  `json:"assets"`           // distinct
	Dependencies int64  `json:"dependencies"`     // distinct
	Bytes        int64  `json:"bytes"`            // of stored parts, as they travelled
	RawBytes     int64  `json:"raw_bytes"`        // of stored parts, decompressed

	Tenants map[string]Stats `json:"tenants,omitempty"` // in a sum: of each tenant
}
