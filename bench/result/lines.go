package result

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Write writes the comparison as JSON Lines.
func (c *Comparison) Write(w io.Writer) error {
	lines := json.NewEncoder(w)
	if err := lines.Encode(c); err != nil {
		return err
	}
	for i := range c.Runs {
		if err := lines.Encode(&c.Runs[i]); err != nil {
			return err
		}
	}
	return nil
}

// ReadComparison reads what [Comparison.Write] wrote.
func ReadComparison(r io.Reader) (*Comparison, error) {
	lines := json.NewDecoder(r)
	c := new(Comparison)
	if err := lines.Decode(c); err != nil || c.Schema != Schema {
		return nil, fmt.Errorf("no comparison of schema %d", Schema)
	}
	for {
		var run Run
		switch err := lines.Decode(&run); {
		case errors.Is(err, io.EOF):
			return c, nil
		case err != nil:
			return nil, fmt.Errorf("run %d: %w", len(c.Runs)+1, err)
		case run.Schema != Schema:
			return nil, fmt.Errorf("run %d is not of schema %d", len(c.Runs)+1, Schema)
		}
		c.Runs = append(c.Runs, run)
	}
}
