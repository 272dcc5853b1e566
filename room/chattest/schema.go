package chattest

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"chatd/static"
)

// What the schema defines, among others.
const (
	FromServer = "fromServer" // all events of a server
	FromClient = "fromClient" // all events of a client
)

// definitions are those of a server's events, by type: each of them alone is quicker
// to hold something against than all of them.
var definitions = map[string]string{
	"welcome": "welcome", "joined": "joined", "gap": "gap", "say": "said",
	"members": "members", "left": "left", "who": "whoIsHere", "error": "error",
}

// ErrNoEvent is that what came is none by the schema, or no text at all.
var ErrNoEvent = errors.New("no event")

// Validate holds a JSON value against what the schema defines.
func Validate(definition string, b []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err == nil {
		err = schemas()[definition].Validate(value)
	}
	if err != nil {
		return fmt.Errorf("%w: %.300q by %s of the schema: %w", ErrNoEvent, b, definition, err)
	}
	return nil
}

// schemas compiles the schema, which must be one.
var schemas = sync.OnceValue(func() map[string]*jsonschema.Schema {
	const document = "chat.v1.schema.json"
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(static.Schema))
	if err != nil {
		panic(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertContent() // base64
	if err := c.AddResource(document, value); err != nil {
		panic(err)
	}
	by := make(map[string]*jsonschema.Schema)
	for definition := range maps.Values(definitions) {
		by[definition] = c.MustCompile(document + "#/$defs/" + definition)
	}
	for _, definition := range []string{FromServer, FromClient} {
		by[definition] = c.MustCompile(document + "#/$defs/" + definition)
	}
	return by
})
