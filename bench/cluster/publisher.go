package cluster

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"
)

// publishTime is for a node to answer.
const publishTime = 20 * time.Second

// publisher publishes by HTTP, at any node, each message until it has a receipt.
type publisher struct {
	run    *run
	name   string
	rooms  []*room
	random *rand.Rand
	number int
	busy   atomic.Bool // there is something without a receipt
}

// live publishes until ctx ends.
func (p *publisher) live(ctx context.Context) {
	pause := p.run.options.pause()
	for sleep(ctx, time.Duration((0.5+p.random.Float64())*float64(pause))) {
		if !p.run.talking.Load() {
			continue
		}
		p.number++
		nonce := fmt.Sprint(p.name, ".", p.number)
		r := p.rooms[p.random.IntN(len(p.rooms))]
		p.busy.Store(true)
		for ctx.Err() == nil && !p.publish(ctx, r, nonce) {
			sleep(ctx, time.Duration(p.random.Int64N(int64(retry))))
		}
		p.busy.Store(false)
	}
}

// publish reports whether there is nothing more to be done.
func (p *publisher) publish(ctx context.Context, r *room, nonce string) (done bool) {
	node := p.run.cluster.Nodes[p.random.IntN(len(p.run.cluster.Nodes))]
	status, body, err := post(ctx, "http://"+node.Addr+"/rooms/"+r.name+"/messages", map[string]string{"text": nonce, "nonce": nonce})
	court := p.run.court
	switch {
	case err != nil:
		court.count("publish: no answer")
		return false
	case status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests:
		court.count(fmt.Sprint("publish: ", status))
		return false
	case status != http.StatusOK && status != http.StatusCreated:
		court.rule("%s in room %s: is answered %d: %s", p.name, r.name, status, body)
		return true
	}
	court.count(fmt.Sprint("publish: ", status))
	var receipt struct {
		Room, Epoch string
		Seq         uint64
		At          int64
	}
	if err := json.Unmarshal(body, &receipt); err != nil || receipt.Room != r.name {
		court.rule("%s in room %s: has the receipt %s", p.name, r.name, body)
		return true
	}
	r.take(receipt.Epoch, said{seq: receipt.Seq, at: receipt.At, text: nonce, nonce: nonce, by: p.name})
	return true
}

func post(ctx context.Context, url string, v any) (status int, body []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, publishTime)
	defer cancel()
	b, err := json.Marshal(v)
	if err != nil {
		return 0, nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(b))
	if err != nil {
		return 0, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+Token)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, err
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	return answer.StatusCode, body, err
}
