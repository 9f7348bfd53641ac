package kafka

import (
	"net"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// compose is the part of docker-compose.yml that has to agree with something else.
type compose struct {
	Services map[string]struct {
		Image string
		Build struct {
			Context    string
			Dockerfile string
		}
		DependsOn map[string]struct {
			Condition string
		} `yaml:"depends_on"`
		Environment map[string]string
		Healthcheck struct {
			Test []string
		}
		Command []string
	}
}

const repository = "../../"

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(repository + path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Nobody runs the compose file in tests; its names must at least agree.
func TestComposeFileIsConsistent(t *testing.T) {
	var c compose
	if err := yaml.Unmarshal([]byte(readFile(t, "docker-compose.yml")), &c); err != nil {
		t.Fatal(yaml.FormatError(err, false, true))
	}
	kafka, topics, worker := c.Services["kafka"], c.Services["topics"], c.Services["worker"]

	if !regexp.MustCompile(`^apache/kafka:4\.\d+\.\d+$`).MatchString(kafka.Image) || topics.Image != kafka.Image {
		t.Errorf("images %q and %q: want one pinned apache/kafka 4", kafka.Image, topics.Image)
	}
	if len(kafka.Healthcheck.Test) == 0 || topics.DependsOn["kafka"].Condition != "service_healthy" ||
		worker.DependsOn["topics"].Condition != "service_completed_successfully" {
		t.Errorf("the services do not wait for each other: %+v, %+v", topics.DependsOn, worker.DependsOn)
	}

	made := strings.Fields(topics.Environment["TOPICS"])
	check := func(o []string, topic string) {
		t.Helper()
		if !slices.Contains(made, topic) {
			t.Errorf("topic %s is used but only %v are made", topic, made)
		}
		for _, b := range o {
			host, _, _ := net.SplitHostPort(b)
			if _, ok := c.Services[host]; !ok || !strings.Contains(kafka.Environment["KAFKA_ADVERTISED_LISTENERS"], "://"+b) {
				t.Errorf("broker %s is not advertised by %s", b, kafka.Environment["KAFKA_ADVERTISED_LISTENERS"])
			}
		}
	}
	if len(worker.Command) < 4 || worker.Command[0] != "infill" || worker.Command[2] != "--output" {
		t.Fatalf("worker command %q", worker.Command)
	}
	in, err := ParseSource(worker.Command[1])
	if err != nil || in.Group != "a3" {
		t.Errorf("input: %+v, %v", in, err)
	}
	check(in.Brokers, in.Topics[0])
	outputs := 0
	for i, arg := range worker.Command[:len(worker.Command)-1] {
		if arg != "--output" && arg != "--dead-letters" {
			continue
		}
		out, err := ParseSink(worker.Command[i+1])
		if err != nil {
			t.Error(err)
		}
		check(out.Brokers, out.Topic)
		outputs++
	}
	if outputs != 2 || len(made) != 3 {
		t.Errorf("%d outputs and one input for the topics %v", outputs, made)
	}

	dockerfile := readFile(t, worker.Build.Dockerfile)
	goVersion := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readFile(t, "go.mod"))
	for _, want := range []string{"FROM golang:" + goVersion[1] + " AS build", "CGO_ENABLED=0", `ENTRYPOINT ["/a3"]`} {
		if !strings.Contains(dockerfile, want) {
			t.Errorf("%s lacks %q", worker.Build.Dockerfile, want)
		}
	}
}
