package room

// author is who says something: an id, and the name at that time. It is never
// changed, so any owner may keep it; whoever takes another name is another author
// with the same id.
//
// Both are in one string, as very many are idle.
type author struct {
	both string
	cut  uint8 // where the name begins
}

// newAuthor has an id of at most 255 bytes.
func newAuthor(id, name string) author { return author{id + name, uint8(len(id))} }

func (a *author) id() string   { return a.both[:a.cut] }
func (a *author) name() string { return a.both[a.cut:] }

// size is its memory in bytes, about.
func (a *author) size() int { return 24 + len(a.both) }
