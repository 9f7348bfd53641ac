package kafka

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/any-order/a3/connectors"
	"github.com/any-order/a3/connectors/kafka/kafkatest"
)

// certificate makes a certificate for localhost that is its own authority, and returns
// the names of its files.
func certificate(t *testing.T) (certFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
		KeyUsage:    x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, bytes []byte) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	return write("cert.pem", "CERTIFICATE", cert), write("key.pem", "PRIVATE KEY", private)
}

// One record goes in and out of a cluster that asks who is there, over TLS on both sides.
func TestTLSAndSASL(t *testing.T) {
	certFile, keyFile := certificate(t)
	pair, err := tls.LoadX509KeyPair(certFile, keyFile)
	if err != nil {
		t.Fatal(err)
	}
	authority, err := os.ReadFile(certFile)
	if err != nil {
		t.Fatal(err)
	}
	clients := x509.NewCertPool()
	clients.AppendCertsFromPEM(authority)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(1, "t"),
		kfake.TLS(&tls.Config{Certificates: []tls.Certificate{pair}, ClientCAs: clients, ClientAuth: tls.RequireAndVerifyClientCert}),
		kfake.EnableSASL(),
		kfake.Superuser(SASLPlain, "plain", "p1"), kfake.Superuser(SASLScram256, "scram256", "p2"), kfake.Superuser(SASLScram512, "scram512", "p3"))
	if err != nil {
		t.Fatal(err)
	}
	defer cluster.Close()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("p2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	secure := Cluster{
		Brokers: cluster.ListenAddrs(), ClientID: "a3",
		TLS: TLS{Enabled: true, RootCAsFile: certFile, ServerName: "localhost", ClientCerts: []ClientCert{{CertFile: certFile, KeyFile: keyFile}}},
	}
	for i, auth := range []SASL{
		{Mechanism: SASLPlain, Username: "plain", Password: "p1"},
		{Mechanism: SASLScram256, Username: "scram256", PasswordFile: password},
		{Mechanism: SASLScram512, Username: "scram512", Password: "p3"},
	} {
		secure.SASL = []SASL{auth}
		roundTrip(t, secure, "t", fmt.Sprint("value ", i))
	}

	for what, change := range map[string]func(*Cluster){
		"a wrong password":      func(c *Cluster) { c.SASL = []SASL{{Mechanism: SASLPlain, Username: "plain", Password: "p2"}} },
		"an unknown authority":  func(c *Cluster) { c.TLS.RootCAsFile = "" },
		"no client certificate": func(c *Cluster) { c.TLS.ClientCerts = nil },
		"another name":          func(c *Cluster) { c.TLS.ServerName = "example.org" },
	} {
		o := DefaultSinkOptions()
		o.Cluster, o.Topic = secure, "t"
		change(&o.Cluster)
		o.Client = append(o.Client, kgo.RequestRetries(0))
		if sink, err := OpenSink(bounded(t), o); err == nil {
			sink.Close(bounded(t))
			t.Errorf("%s is accepted", what)
		} else if strings.Contains(err.Error(), "p2") {
			t.Errorf("%s: the error shows a password: %v", what, err)
		}
	}
}

// roundTrip writes a value and reads it in a group of its own, from where the topic ended.
func roundTrip(t *testing.T, cluster Cluster, topic, value string) {
	t.Helper()
	out := DefaultSinkOptions()
	out.Cluster, out.Topic = cluster, topic
	sink, err := OpenSink(bounded(t), out)
	if err != nil {
		t.Fatal(err)
	}
	defer sink.Close(bounded(t))
	if err := sink.Write(bounded(t), []connectors.Record{{Origin: connectors.Origin{Stream: "s", Partition: connectors.NoPartition}, Value: []byte(value)}}); err != nil {
		t.Fatal(err)
	}
	in := DefaultSourceOptions()
	in.Cluster, in.Topics, in.Group, in.Instance, in.Until = cluster, []string{topic}, "group of "+value, InstanceNone, UntilEnd
	src, err := OpenSource(bounded(t), in)
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close(bounded(t))
	for {
		ds, err := src.Read(bounded(t), 10)
		if err != nil {
			t.Fatalf("%q was not found: %v", value, err)
		}
		for _, d := range ds {
			if string(d.Value) == value {
				return
			}
		}
	}
}

func TestTLSFilesAreChecked(t *testing.T) {
	garbage := filepath.Join(t.TempDir(), "garbage.pem")
	if err := os.WriteFile(garbage, []byte("garbage"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, c := range map[string]TLS{
		"none in PEM form": {Enabled: true, RootCAsFile: garbage},
		"no such file":     {Enabled: true, RootCAsFile: garbage + "x"},
		"client_certs[0]":  {Enabled: true, ClientCerts: []ClientCert{{CertFile: garbage, KeyFile: garbage}}},
	} {
		if _, err := (Cluster{TLS: c}).options(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: error %v, want %q", c, err, want)
		}
	}
}

func TestSecretsAreNotPrinted(t *testing.T) {
	s := SASL{Mechanism: SASLPlain, Username: "u", Password: "hunter2"}
	for _, text := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", s), fmt.Sprintf("%#v", s), fmt.Sprintf("%q", s)} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("printed: %s", text)
		}
	}
}

// Every mechanism, OAUTHBEARER too, on a real Kafka.
func TestSASLOnRealKafka(t *testing.T) {
	plain := real.address(t)
	if real.broker == nil {
		t.Skipf("needs the listeners of a broker of its own: set %s to start", realVariable)
	}
	b := lookInto(t, nil, plain)
	topic := b.topic(t, 1)
	for _, mechanism := range []kadm.ScramMechanism{kadm.ScramSha256, kadm.ScramSha512} {
		altered, err := b.admin.AlterUserSCRAMs(bounded(t), nil, []kadm.UpsertSCRAM{{User: "scrammer", Mechanism: mechanism, Iterations: 4096, Password: "s3"}})
		if err != nil || altered.Error() != nil {
			t.Fatal(err, altered.Error())
		}
	}
	part := func(format string, args ...any) string {
		return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, format, args...))
	}
	token := part(`{"alg":"none"}`) + "." + part(`{"sub":"a3","iat":%d,"exp":%d}`, time.Now().Unix()-10, time.Now().Unix()+3600) + "."
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i, auth := range []SASL{
		{Mechanism: SASLPlain, Username: kafkatest.User, Password: kafkatest.Password},
		{Mechanism: SASLScram256, Username: "scrammer", Password: "s3"},
		{Mechanism: SASLScram512, Username: "scrammer", Password: "s3"},
		{Mechanism: SASLOAuthBearer, Token: Secret(token)},
		{Mechanism: SASLOAuthBearer, TokenFile: file},
	} {
		roundTrip(t, Cluster{Brokers: []string{real.broker.SASLAddr}, ClientID: "a3", SASL: []SASL{auth}}, topic, fmt.Sprint("value ", i))
	}
	wrong := DefaultSinkOptions()
	wrong.Brokers, wrong.Topic = []string{real.broker.SASLAddr}, topic
	wrong.SASL = []SASL{{Mechanism: SASLScram256, Username: "scrammer", Password: "wrong"}}
	wrong.Client = []kgo.Opt{kgo.RequestRetries(0)}
	if sink, err := OpenSink(bounded(t), wrong); err == nil {
		sink.Close(bounded(t))
		t.Error("a wrong password is accepted")
	} else if !errors.Is(err, kerr.SaslAuthenticationFailed) || strings.Contains(err.Error(), "wrong") {
		t.Errorf("error %v", err)
	}
}
