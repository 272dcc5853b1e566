package static

import _ "embed"

// Schema is the JSON Schema of chat.v1's events, which is served, too.
//
//go:embed chat.v1.schema.json
var Schema []byte
