package sdk

import (
	"context"
	"sync"
	"time"

	"google.golang.org/grpc/stats"
)

const (
	firstConnection = time.Minute     // a host that has not connected by then is gone
	lastConnection  = 2 * time.Second // time to reconnect, and to shut down in order
)

// hostWatch ends the process when the host's connection is gone, so that a killed
// host leaves no orphans: the kernel closes the socket of a dead process, on every
// system and whatever killed it.
type hostWatch struct {
	mu          sync.Mutex
	connections int         // guarded by mu
	exit        *time.Timer // guarded by mu; runs while there is no connection
}

func watchHost(exit func()) *hostWatch {
	return &hostWatch{exit: time.AfterFunc(firstConnection, exit)}
}

// HandleConn counts connections. It implements stats.Handler, as do the methods below.
func (w *hostWatch) HandleConn(_ context.Context, event stats.ConnStats) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch event.(type) {
	case *stats.ConnBegin:
		w.connections++
		w.exit.Stop()
	case *stats.ConnEnd:
		w.connections--
		if w.connections == 0 {
			w.exit.Reset(lastConnection)
		}
	}
}

func (w *hostWatch) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context { return ctx }
func (w *hostWatch) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context   { return ctx }
func (w *hostWatch) HandleRPC(context.Context, stats.RPCStats)                         {}
