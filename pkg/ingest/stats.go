package ingest

// Stats has the numbers of a receiver since its store was created, for one tenant or summed over all.
type Stats struct {
	Tenant       string `json:"tenant,omitempty"` // empty in the sum
	Reports      int64  `json:"reports"`          // complete reports; each revision counts
	Incomplete   int64  `json:"incomplete"`       // reports that lack parts
	Parts        int64  `json:"parts"`            // stored parts; each counts once
	Findings     int64  `json:"findings"`         // distinct visible findings
	Duplicates   int64  `json:"duplicates"`       // findings that a later report contained again
	Repeated     int64  `json:"repeated_parts"`   // parts that were sent again
	Rejected     int64  `json:"rejected"`         // requests refused because of their content
	Assets       int64  `json:"assets"`           // distinct assets
	Dependencies int64  `json:"dependencies"`     // distinct dependencies
	Bytes        int64  `json:"bytes"`            // size of the stored parts as they were sent
	RawBytes     int64  `json:"raw_bytes"`        // size of the stored parts, decompressed

	Tenants map[string]Stats `json:"tenants,omitempty"` // numbers of each tenant, in the sum only
}
