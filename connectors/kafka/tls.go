package kafka

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// TLS says how connections are encrypted.
type TLS struct {
	Enabled        bool   `yaml:"enabled"`
	SkipCertVerify bool   `yaml:"skip_cert_verify,omitempty"` // trust any broker: for tests alone
	ServerName     string `yaml:"server_name,omitempty"`      // expected in the brokers' certificates; "" is the host
	RootCAs        string `yaml:"root_cas,omitempty"`         // PEM; "" with no file is the system's
	RootCAsFile    string `yaml:"root_cas_file,omitempty"`
	// ClientCerts identify this worker (mutual TLS).
	ClientCerts []ClientCert `yaml:"client_certs,omitempty"`
}

// ClientCert is a certificate with its key, each as PEM or as the name of a file.
type ClientCert struct {
	Cert     string `yaml:"cert,omitempty"`
	Key      Secret `yaml:"key,omitempty"`
	CertFile string `yaml:"cert_file,omitempty"`
	KeyFile  string `yaml:"key_file,omitempty"`
}

func (t TLS) validate() error {
	if !t.Enabled && (t.SkipCertVerify || t.ServerName != "" || t.RootCAs != "" || t.RootCAsFile != "" || len(t.ClientCerts) > 0) {
		return errors.New("has settings but is off: add enabled: true")
	}
	if t.RootCAs != "" && t.RootCAsFile != "" {
		return errors.New("root_cas and root_cas_file are both given")
	}
	for i, c := range t.ClientCerts {
		if (c.Cert == "") == (c.CertFile == "") || (c.Key == "") == (c.KeyFile == "") {
			return fmt.Errorf("client_certs[%d]: give a certificate as either cert or cert_file, and its key as either key or key_file", i)
		}
	}
	return nil
}

func (t TLS) config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: t.ServerName, InsecureSkipVerify: t.SkipCertVerify}
	roots, err := orFile([]byte(t.RootCAs), t.RootCAsFile)
	if err != nil {
		return nil, err
	}
	if len(roots) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(roots) {
			return nil, errors.New("the root certificates hold none in PEM form")
		}
	}
	for i, c := range t.ClientCerts {
		cert, err := orFile([]byte(c.Cert), c.CertFile)
		if err != nil {
			return nil, err
		}
		key, err := orFile([]byte(c.Key), c.KeyFile)
		if err != nil {
			return nil, err
		}
		pair, err := tls.X509KeyPair(cert, key)
		if err != nil {
			return nil, fmt.Errorf("client_certs[%d]: %w", i, err)
		}
		config.Certificates = append(config.Certificates, pair)
	}
	return config, nil
}

// orFile is text, or the content of a file if there is a name of one.
func orFile(text []byte, file string) ([]byte, error) {
	if file == "" {
		return text, nil
	}
	return os.ReadFile(file)
}
