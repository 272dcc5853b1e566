package room

// author is who says something: an id, and the name at that time. It is never
// changed, so any owner may keep it; whoever takes another name is another author
// with the same id.
type author struct {
	id, name string
}

// size is its memory in bytes, about.
func (a *author) size() int { return 32 + len(a.id) + len(a.name) }
