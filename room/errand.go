package room

import (
	"context"
	"errors"

	"chatd/poller"
)

// errand is what somebody outside of the pool wants of a room: that something is
// published there, or that what the hub owns is looked at. Nobody waits for it on
// the way but who sent it.
//
//	goroutine ─▶ directory ─▶ hub, behind what was published before ─▶ done
//
// It belongs to whoever has it in hand.
type errand struct {
	link    *errand
	room    string     // static
	post    *post      // the way to the hub; with what is to be published, if visit is nil
	visit   func(*hub) // is called on the hub's Task, unless there is no such room; nil: the errand is to publish
	fetches bool       // a visit's: the room is fetched if it is not here
	receipt Receipt    // set by the hub
	done    chan error // has room for what comes of it: no worker waits
}

// Link implements the inbox's element.
func (e *errand) Link() **errand { return &e.link }

// What may come of an errand.
var (
	ErrNoRoom       = errors.New("there is no such room")
	ErrTooManyRooms = errors.New("there are too many rooms (-max-rooms)")
	ErrBehind       = errors.New("the room's members are behind what is published there")
	ErrLost         = errors.New("a bug in the server")
)

// run sends e on its way and returns what came of it. When ctx ends first it
// returns ctx's error, and the errand may still be done.
func (s *Server) run(ctx context.Context, e *errand) error {
	s.begin(e)
	select {
	case err := <-e.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// look has what done on the Task of the room's hub. Where rooms are shared, one that only
// others have is fetched for it.
func (s *Server) look(ctx context.Context, room string, what func(*hub)) error {
	there := false
	e := &errand{room: room, post: newPost(false), fetches: s.config.Nodes != nil, visit: func(h *hub) {
		if there = h.exists(); there {
			what(h)
		}
	}}
	if err := s.run(ctx, e); err != nil {
		return err
	}
	if !there {
		return ErrNoRoom
	}
	return nil
}

// begin sends e on its way.
func (s *Server) begin(e *errand) {
	e.done = make(chan error, 1)
	e.post.errand = e
	s.directory.errands.Put(e)
	s.directory.Schedule()
}

// send sends e on to its room, which is made if something is to be published
// there, or it is to be fetched. A hub that is behind gets no more to publish from outside: members' sockets
// can wait to be read, a back end has to come again.
func (d *directory) send(w *poller.Worker, e *errand) {
	h, err := (*hub)(nil), error(nil)
	if e.visit == nil || e.fetches {
		if h = d.open(w, e.room); h == nil {
			err = ErrTooManyRooms
		} else if e.visit == nil && h.backlog.Load() > maxBacklog {
			err = ErrBehind
		}
	} else if h, _ = d.rooms.Get(e.room); h == nil {
		err = ErrNoRoom
	}
	if err != nil {
		e.post.free()
		e.done <- err
		return
	}
	h.publish(w, e.post)
}

// finish is the end of e, whose post is done. The hub calls it.
func (e *errand) finish(h *hub) {
	end := ErrLost // should the visit panic, too
	defer func() { e.done <- end }()
	if e.visit != nil {
		e.visit(h)
	}
	if e.visit != nil || e.receipt.Seq > 0 {
		end = nil
	}
}
