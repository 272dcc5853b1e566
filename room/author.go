package room

// author is who says something: an id, and the name at that time. It is never
// changed, so any owner may keep it; whoever takes another name is another author
// with the same id.
type author struct {
	id, name string
}

// newAuthor has both in one piece of memory: very many are idle.
func newAuthor(id, name string) author {
	both := id + name
	return author{both[:len(id)], both[len(id):]}
}

// size is its memory in bytes, about.
func (a *author) size() int { return 32 + len(a.id) + len(a.name) }
