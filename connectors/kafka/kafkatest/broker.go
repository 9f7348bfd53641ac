package kafkatest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// User and Password are those of the listener that asks for SASL.
const (
	User     = "a3"
	Password = "not-a-secret"
)

// Broker is a broker of its own process, whose data are in a folder.
type Broker struct {
	Addr     string // plain
	SASLAddr string // PLAIN for User; SCRAM for users that are made; OAUTHBEARER with unsecured tokens

	dir, jars string
	cmd       *exec.Cmd
	exited    chan struct{} // closed when cmd has ended
	log       *os.File
}

// Start formats a folder and starts a broker on it, on free ports of loopback.
func Start(ctx context.Context, dir string) (*Broker, error) { return StartAt(ctx, dir, "") }

// StartAt is Start with the plain listener at an address, if it is not empty.
func StartAt(ctx context.Context, dir, addr string) (*Broker, error) {
	lib, err := jars(ctx)
	if err != nil {
		return nil, err
	}
	b := &Broker{dir: dir, jars: lib}
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	if addr != "" {
		ports[0] = addr
	}
	b.Addr, b.SASLAddr = ports[0], ports[1]
	if err := os.WriteFile(b.path("server.properties"), []byte(properties(dir, ports)), 0o644); err != nil {
		return nil, err
	}
	id := make([]byte, 16)
	rand.Read(id)
	id[0] &= 0x7f // in base64 it would else begin with a dash now and then, and be taken for an option
	format := b.java(ctx, "kafka.tools.StorageTool", "format", "-t", base64.RawURLEncoding.EncodeToString(id), "-c", b.path("server.properties"))
	if out, err := format.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("format the storage of Kafka: %w\n%s", err, out)
	}
	return b, b.Restart(ctx)
}

func (b *Broker) path(name string) string { return filepath.Join(b.dir, name) }

// java prepares a command with the broker's jars. The serial collector and the first
// compiler are what suits a broker that lives for seconds on two cores.
func (b *Broker) java(ctx context.Context, args ...string) *exec.Cmd {
	return exec.CommandContext(ctx, "java", append(b.jvm(), args...)...)
}

func (b *Broker) jvm() []string {
	return []string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", filepath.Join(b.jars, "*")}
}

func properties(dir string, ports []string) string {
	return strings.Join([]string{
		"process.roles=broker,controller",
		"node.id=1",
		"controller.quorum.voters=1@" + ports[2],
		"listeners=PLAINTEXT://" + ports[0] + ",SASL_PLAINTEXT://" + ports[1] + ",CONTROLLER://" + ports[2],
		"advertised.listeners=PLAINTEXT://" + ports[0] + ",SASL_PLAINTEXT://" + ports[1],
		"listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
		"controller.listener.names=CONTROLLER",
		"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
		"listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_" + User + `="` + Password + `";`,
		"listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;",
		"listener.name.sasl_plaintext.oauthbearer.sasl.jaas.config=org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"" + User + "\";",
		"log.dirs=" + filepath.Join(dir, "data"),
		"auto.create.topics.enable=false",
		"num.network.threads=2",
		"num.io.threads=2",
		"log.cleaner.enable=false",
		// One broker cannot hold three replicas of the internal topics, and a test needs
		// no fifty partitions of them.
		"offsets.topic.replication.factor=1",
		"offsets.topic.num.partitions=1",
		"transaction.state.log.replication.factor=1",
		"transaction.state.log.min.isr=1",
		"transaction.state.log.num.partitions=1",
		"share.coordinator.state.topic.replication.factor=1",
		"share.coordinator.state.topic.min.isr=1",
		// Tests do not wait: for members to join, for the dead to be noticed.
		"group.initial.rebalance.delay.ms=0",
		"group.min.session.timeout.ms=100",
		"group.consumer.min.session.timeout.ms=1000",
		"group.consumer.session.timeout.ms=3000",
		"group.consumer.min.heartbeat.interval.ms=200",
		"group.consumer.heartbeat.interval.ms=500",
		"controlled.shutdown.enable=false",
		"",
	}, "\n")
}

// Restart starts the broker again where it was stopped or killed, and waits for it.
func (b *Broker) Restart(ctx context.Context) (err error) {
	if b.log, err = os.OpenFile(b.path("broker.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644); err != nil {
		return err
	}
	b.cmd = b.java(context.WithoutCancel(ctx), "kafka.Kafka", b.path("server.properties"))
	b.cmd.Stdout, b.cmd.Stderr = b.log, b.log
	if err := b.cmd.Start(); err != nil {
		return errors.Join(err, b.log.Close())
	}
	b.exited = make(chan struct{})
	go func() {
		defer close(b.exited)
		_ = b.cmd.Wait() // how it ended is in its log
	}()
	for {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", b.Addr)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-b.exited:
			log, _ := os.ReadFile(b.path("broker.log"))
			return fmt.Errorf("the broker ended as it started:\n%s", bytes.TrimSpace(log))
		case <-ctx.Done():
			return errors.Join(fmt.Errorf("the broker does not answer: %w", ctx.Err()), b.Kill())
		}
	}
}

// Stop ends the broker in order.
func (b *Broker) Stop() error { return b.end(syscall.SIGTERM) }

// Kill ends the broker as a power cut of its process does.
func (b *Broker) Kill() error { return b.end(syscall.SIGKILL) }

// patience is how long a broker may take to end in order.
const patience = 20 * time.Second

func (b *Broker) end(signal syscall.Signal) error {
	err := b.cmd.Process.Signal(signal)
	if errors.Is(err, os.ErrProcessDone) {
		err = nil
	}
	select {
	case <-b.exited:
	case <-time.After(patience):
		err = errors.Join(err, b.cmd.Process.Kill())
		<-b.exited
	}
	return errors.Join(err, b.log.Close())
}

// freePorts returns addresses of loopback that nobody listened on a moment ago.
func freePorts(n int) ([]string, error) {
	var out []string
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		defer l.Close() // all at once, so that they differ
		out = append(out, net.JoinHostPort("127.0.0.1", strconv.Itoa(l.Addr().(*net.TCPAddr).Port)))
	}
	return out, nil
}
