package deploy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// composeFile is docker-compose.yml with every key that we use: another one is a mistake.
type composeFile struct {
	Image    string                    `yaml:"x-kafka-image"`
	Services map[string]composeService `yaml:"services"`
	Volumes  map[string]any            `yaml:"volumes"`
}

type composeService struct {
	Image string `yaml:"image"`
	Build struct {
		Context    string `yaml:"context"`
		Dockerfile string `yaml:"dockerfile"`
	} `yaml:"build"`
	Profiles  []string `yaml:"profiles"`
	Restart   string   `yaml:"restart"`
	DependsOn map[string]struct {
		Condition string `yaml:"condition"`
	} `yaml:"depends_on"`
	Environment map[string]string `yaml:"environment"`
	Healthcheck struct {
		Test        []string `yaml:"test"`
		Interval    string   `yaml:"interval"`
		Timeout     string   `yaml:"timeout"`
		Retries     int      `yaml:"retries"`
		StartPeriod string   `yaml:"start_period"`
	} `yaml:"healthcheck"`
	Entrypoint      []string `yaml:"entrypoint"`
	Command         []string `yaml:"command"`
	Ports           []string `yaml:"ports"`
	Volumes         []string `yaml:"volumes"`
	ReadOnly        bool     `yaml:"read_only"`
	Tmpfs           []string `yaml:"tmpfs"`
	StopGracePeriod string   `yaml:"stop_grace_period"`
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	var c composeFile
	if err := yaml.UnmarshalWithOptions(readFile(t, "../../docker-compose.yml"), &c, yaml.Strict()); err != nil {
		t.Fatal(yaml.FormatError(err, false, true))
	}
	return c
}

// mounts are what a service mounts, by the path in its container.
func (s composeService) mounts() map[string]string {
	out := map[string]string{}
	for _, v := range s.Volumes {
		from, to, _ := strings.Cut(v, ":")
		out[strings.TrimSuffix(to, ":ro")] = from
	}
	return out
}

// Services wait for services that there are, and mount volumes that are declared.
func TestComposeNames(t *testing.T) {
	c := readCompose(t)
	for name, s := range c.Services {
		for other, d := range s.DependsOn {
			waited, ok := c.Services[other]
			if !ok {
				t.Errorf("service %s waits for %s, which there is not", name, other)
			}
			healthy := d.Condition == "service_healthy"
			if healthy && waited.Healthcheck.Test == nil ||
				d.Condition == "service_completed_successfully" && waited.Restart != "no" ||
				!slices.Contains([]string{"service_healthy", "service_completed_successfully", "service_started"}, d.Condition) {
				t.Errorf("service %s waits for %s to be %s, which it never is", name, other, d.Condition)
			}
		}
		for _, from := range s.mounts() {
			if _, declared := c.Volumes[from]; !declared && !strings.HasPrefix(from, "./") {
				t.Errorf("service %s mounts %s, which is neither a path nor a volume of the file", name, from)
			}
		}
		if s.Build.Dockerfile != "" {
			if _, err := os.Stat("../../" + s.Build.Dockerfile); err != nil {
				t.Errorf("service %s: %v", name, err)
			}
		}
	}
}

// The listeners of the broker agree with each other, with the port that is published, and
// with what everybody else calls it.
func TestComposeListeners(t *testing.T) {
	text := string(readFile(t, "../../docker-compose.yml"))
	kafka := readCompose(t).Services["kafka"]
	env := kafka.Environment
	listeners, advertised, protocols := map[string]string{}, map[string]string{}, map[string]string{}
	for list, into := range map[string]map[string]string{
		"KAFKA_LISTENERS": listeners, "KAFKA_ADVERTISED_LISTENERS": advertised, "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": protocols,
	} {
		for entry := range strings.SplitSeq(env[list], ",") {
			name, what, ok := strings.Cut(entry, ":")
			if !ok {
				t.Fatalf("%s: %q", list, entry)
			}
			into[name] = strings.TrimPrefix(what, "//")
		}
	}
	for name, at := range listeners {
		if protocols[name] == "" {
			t.Errorf("listener %s has no protocol", name)
		}
		controller := name == env["KAFKA_CONTROLLER_LISTENER_NAMES"]
		switch host := advertised[name]; {
		case controller && env["KAFKA_CONTROLLER_QUORUM_VOTERS"] != env["KAFKA_NODE_ID"]+"@kafka"+at:
			t.Errorf("the controller listens at %s, its voters are %s", at, env["KAFKA_CONTROLLER_QUORUM_VOTERS"])
		case !controller && !strings.HasSuffix(host, at):
			t.Errorf("listener %s is at %s and advertised as %s", name, at, host)
		}
	}
	if _, ok := listeners[env["KAFKA_INTER_BROKER_LISTENER_NAME"]]; !ok {
		t.Errorf("brokers talk at %s, which is no listener", env["KAFKA_INTER_BROKER_LISTENER_NAME"])
	}
	port := strings.TrimPrefix(listeners["EXTERNAL"], ":")
	if want := []string{"127.0.0.1:" + port + ":" + port}; !slices.Equal(kafka.Ports, want) {
		t.Errorf("published is %v, want %v", kafka.Ports, want)
	}
	used := regexp.MustCompile(`\b(kafka|localhost):\d{4,5}\b`).FindAllString(regexp.MustCompile(`(?m)^ +KAFKA_.*$`).ReplaceAllString(text, ""), -1)
	if len(used) < 8 {
		t.Errorf("only %d addresses in the file", len(used))
	}
	for _, addr := range used {
		if addr != advertised["INTERNAL"] && addr != advertised["EXTERNAL"] && addr != "localhost:3000" && addr != "localhost:9090" {
			t.Errorf("%s is nobody's address", addr)
		}
	}
}

// Topics are created before they are used, by the workers, the producer and the comments.
func TestComposeTopics(t *testing.T) {
	topics := readCompose(t).Services["topics"]
	made := strings.Fields(topics.Environment["TOPICS"])
	used := regexp.MustCompile(`(?:--topic |kafka:9092/)([a-z-]+)`).FindAllStringSubmatch(string(readFile(t, "../../docker-compose.yml")), -1)
	if len(used) < 6 {
		t.Errorf("only %d uses of topics", len(used))
	}
	for _, u := range used {
		if !slices.Contains(made, u[1]) {
			t.Errorf("topic %s is used but only %v are made", u[1], made)
		}
	}
}

// Grafana finds its data source at Prometheus, and the dashboards where they are mounted.
func TestGrafana(t *testing.T) {
	c := readCompose(t)
	mounts := c.Services["grafana"].mounts()
	var source struct {
		Datasources []struct{ UID, URL string }
	}
	if err := yaml.Unmarshal(readFile(t, "grafana/datasource.yml"), &source); err != nil {
		t.Fatal(err)
	}
	if s := source.Datasources[0]; s.UID != "prometheus" || s.URL != "http://prometheus:9090" || !slices.Contains(c.Services["prometheus"].Ports, "127.0.0.1:9090:9090") {
		t.Errorf("the data source is %+v", s)
	}
	var provider struct {
		Providers []struct {
			Options struct{ Path string }
		}
	}
	if err := yaml.Unmarshal(readFile(t, "grafana/dashboards.yml"), &provider); err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for to := range mounts {
		kinds[path.Dir(to)]++
	}
	if kinds[provider.Providers[0].Options.Path] != 1 || kinds["/etc/grafana/provisioning/datasources"] != 1 || kinds["/etc/grafana/provisioning/dashboards"] != 1 {
		t.Errorf("mounted are %v, dashboards are looked for in %s", mounts, provider.Providers[0].Options.Path)
	}
	var dashboard struct{ Title string }
	if err := json.Unmarshal(readFile(t, "grafana/a3.json"), &dashboard); err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(readFile(t, "../../docker-compose.yml"), fmt.Appendf(nil, "dashboard %q", dashboard.Title)) {
		t.Errorf("docker-compose.yml does not tell of the dashboard %s", dashboard.Title)
	}
}

// The version of Kafka is one everywhere: in the compose file, in the README, and in the
// tests on a real broker.
func TestKafkaVersion(t *testing.T) {
	version := strings.TrimPrefix(readCompose(t).Services["kafka"].Image, "apache/kafka:")
	for _, file := range []string{"../../README.md", "../../docker-compose.yml"} {
		for _, m := range regexp.MustCompile(`apache/kafka:([\w.]+)`).FindAllSubmatch(readFile(t, file), -1) {
			if string(m[1]) != version {
				t.Errorf("%s has Kafka %s, docker-compose.yml %s", file, m[1], version)
			}
		}
	}
	if !bytes.Contains(readFile(t, "../../connectors/kafka/kafkatest/jars.go"), fmt.Appendf(nil, "const Version = %q", version)) {
		t.Errorf("the tests do not run on Kafka %s", version)
	}
}
