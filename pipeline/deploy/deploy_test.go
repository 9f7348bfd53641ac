// Package deploy holds what runs a3 in containers; its tests hold that to the program.
package deploy

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/any-order/a3/pipeline/config"
	"github.com/any-order/a3/pipeline/telemetry"
)

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// metricNames are the names that queries may use: histograms have three each.
func metricNames() map[string][]string {
	names := map[string][]string{"process_resident_memory_bytes": nil}
	for _, d := range telemetry.Catalog() {
		if d.Kind != telemetry.Histogram {
			names[d.Name] = d.Labels
			continue
		}
		for _, suffix := range []string{"_bucket", "_sum", "_count"} {
			names[d.Name+suffix] = append([]string{"le"}, d.Labels...)
		}
	}
	return names
}

// Every metric and label that the dashboard names exists.
func TestDashboard(t *testing.T) {
	var d struct {
		Title, UID string
		Panels     []struct {
			Title      string
			Datasource struct{ UID string }
			Targets    []struct{ Expr, LegendFormat string }
		}
	}
	if err := json.Unmarshal(readFile(t, "grafana/a3.json"), &d); err != nil {
		t.Fatal(err)
	}
	names := metricNames()
	seen := map[string]bool{}
	for _, p := range d.Panels {
		if p.Title == "" || len(p.Targets) == 0 || p.Datasource.UID != "prometheus" {
			t.Errorf("panel %+v", p)
		}
		for _, target := range p.Targets {
			metrics := regexp.MustCompile(`\b(a3|process)_\w+`).FindAllString(target.Expr, -1)
			if len(metrics) == 0 {
				t.Errorf("%s: %s has no metric", p.Title, target.Expr)
			}
			labels := []string{"instance", "job"} // those that scraping adds
			for _, m := range metrics {
				seen[m] = true
				known, ok := names[m]
				if !ok {
					t.Errorf("%s: %s is no metric", p.Title, m)
				}
				labels = append(labels, known...)
			}
			used := regexp.MustCompile(`\{\{(\w+)\}\}`).FindAllStringSubmatch(target.LegendFormat, -1)
			for _, by := range regexp.MustCompile(`by \(([\w, ]+)\)`).FindAllStringSubmatch(target.Expr, -1) {
				for label := range strings.SplitSeq(by[1], ", ") {
					used = append(used, []string{"", label})
				}
			}
			for _, label := range used {
				if !slices.Contains(labels, label[1]) {
					t.Errorf("%s: %s has no label %s", p.Title, target.Expr, label[1])
				}
			}
		}
	}
	for _, d := range telemetry.Catalog() {
		if d.Name == "a3_model_calls_total" || strings.HasPrefix(d.Name, "a3_training_step") || d.Name == "a3_training_gradient_norm" {
			continue // for those who look closer
		}
		if !seen[d.Name] && !seen[d.Name+"_bucket"] && !seen[d.Name+"_sum"] {
			t.Errorf("the dashboard does not show %s", d.Name)
		}
	}
}

// What the services mount is there, and Prometheus looks for workers where they serve.
func TestComposeWatchesWorkers(t *testing.T) {
	compose := readCompose(t)
	for _, name := range []string{"prometheus", "grafana", "producer"} {
		s, ok := compose.Services[name]
		if !ok || !regexp.MustCompile(`:v?\d+\.\d+\.\d+$`).MatchString(s.Image) {
			t.Errorf("service %s has image %q, want a pinned one", name, s.Image)
		}
		for _, v := range s.Volumes {
			file, _, _ := strings.Cut(v, ":")
			if _, err := os.Stat("../../" + file); err != nil {
				t.Errorf("service %s mounts %s: %v", name, file, err)
			}
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("service %s is open to the network: %s", name, p)
			}
		}
	}
	var prometheus struct {
		Scrape []struct {
			DNS []struct {
				Names []string
				Port  int
			} `yaml:"dns_sd_configs"`
		} `yaml:"scrape_configs"`
	}
	if err := yaml.Unmarshal(readFile(t, "prometheus.yml"), &prometheus); err != nil {
		t.Fatal(err)
	}
	dns := prometheus.Scrape[0].DNS[0]
	worker := compose.Services["worker"].Command
	at := slices.Index(worker, "--metrics-addr")
	if at < 0 || worker[at+1] != "0.0.0.0:9464" || dns.Port != 9464 || !slices.Equal(dns.Names, []string{"worker"}) {
		t.Errorf("workers serve at %q, Prometheus looks at %+v", worker, dns)
	}
}

// manifest is what several kinds of Kubernetes' objects have of interest here.
type manifest struct {
	Kind     string
	Metadata struct{ Name string }
	Data     map[string]string
	Spec     struct {
		Selector    any    // of a Service the labels, of a StatefulSet matchLabels
		ServiceName string `yaml:"serviceName"`
		Ports       []struct {
			Name string
			Port int
		}
		VolumeClaimTemplates []struct{ Metadata struct{ Name string } } `yaml:"volumeClaimTemplates"`
		Template             struct {
			Metadata struct{ Labels, Annotations map[string]string }
			Spec     struct {
				SecurityContext struct {
					FSGroup int `yaml:"fsGroup"`
				} `yaml:"securityContext"`
				Volumes []struct {
					Name      string
					ConfigMap struct{ Name string } `yaml:"configMap"`
				}
				Containers []struct {
					Image string
					Env   []struct{ Name string }
					Ports []struct {
						Name          string
						ContainerPort int `yaml:"containerPort"`
					}
					Args         []string
					VolumeMounts []struct {
						Name      string
						MountPath string `yaml:"mountPath"`
					} `yaml:"volumeMounts"`
					LivenessProbe  probe `yaml:"livenessProbe"`
					ReadinessProbe probe `yaml:"readinessProbe"`
				}
			}
		}
		MaxReplicaCount int                         `yaml:"maxReplicaCount"`
		ScaleTargetRef  struct{ Kind, Name string } `yaml:"scaleTargetRef"`
		Triggers        []struct {
			Type     string
			Metadata map[string]string
		}
	}
}

type probe struct {
	HTTPGet struct{ Path, Port string } `yaml:"httpGet"`
}

// The manifest's configuration is a good one, and agrees with what scales and probes it.
func TestKubernetes(t *testing.T) {
	byKind := readManifests(t)
	c, err := config.Load(config.Source{
		File: "job.yaml", Text: []byte(byKind["ConfigMap"].Data["job.yaml"]),
		Lookup: func(name string) (string, bool) { return "a3-worker-0", name == "POD" },
	})
	if err != nil {
		t.Fatal(err)
	}
	worker := byKind["StatefulSet"].Spec.Template.Spec.Containers[0]
	if !slices.Equal(worker.Args, []string{"run", "/etc/a3/job.yaml"}) {
		t.Errorf("arguments %q", worker.Args)
	}
	if live, ready := worker.LivenessProbe.HTTPGet.Path, worker.ReadinessProbe.HTTPGet.Path; live != "/livez" || ready != "/readyz" {
		t.Errorf("probes %s and %s", live, ready)
	}
	mounted := map[string]bool{}
	for _, m := range worker.VolumeMounts {
		mounted[m.MountPath] = true
	}
	if !mounted["/etc/a3"] || !mounted[c.Delivery.Journal] {
		t.Errorf("mounted are %v, the journal is at %s", mounted, c.Delivery.Journal)
	}
	scaler := byKind["ScaledObject"].Spec
	if ref := scaler.ScaleTargetRef; ref.Kind != "StatefulSet" || ref.Name != byKind["StatefulSet"].Metadata.Name {
		t.Errorf("what is scaled is %+v", ref)
	}
	in, trigger := c.Input.Kafka, scaler.Triggers[0]
	if trigger.Type != "kafka" || trigger.Metadata["consumerGroup"] != in.Group || trigger.Metadata["topic"] != in.Topics[0] ||
		trigger.Metadata["bootstrapServers"] != strings.Join(in.Brokers, ",") {
		t.Errorf("scaled by %+v, but the input is %+v", trigger, in)
	}
	if !strings.HasSuffix(c.Metrics.Address, ":9464") {
		t.Errorf("metrics at %s", c.Metrics.Address)
	}
}

// The objects find each other, by labels, names and ports; the image is the one that the
// compose file builds, and its user may write what is mounted; and there are not more
// workers than the compose file makes partitions.
func TestKubernetesNames(t *testing.T) {
	byKind := readManifests(t)
	set, service := byKind["StatefulSet"].Spec, byKind["Service"]
	pod := set.Template.Spec
	worker := pod.Containers[0]
	labels := fmt.Sprint(set.Template.Metadata.Labels)
	if fmt.Sprint(service.Spec.Selector) != labels || fmt.Sprint(set.Selector) != "map[matchLabels:"+labels+"]" || set.ServiceName != service.Metadata.Name {
		t.Errorf("labels %s, selectors %v and %v, service %s", labels, service.Spec.Selector, set.Selector, set.ServiceName)
	}
	if p := worker.Ports[0]; p.ContainerPort != 9464 || service.Spec.Ports[0].Port != 9464 || set.Template.Metadata.Annotations["prometheus.io/port"] != "9464" ||
		worker.LivenessProbe.HTTPGet.Port != p.Name || worker.ReadinessProbe.HTTPGet.Port != p.Name {
		t.Errorf("ports %+v and %+v", worker.Ports, service.Spec.Ports)
	}
	if len(worker.Env) != 1 || worker.Env[0].Name != "POD" { // the one that the configuration asks for
		t.Errorf("variables %+v", worker.Env)
	}
	volumes := map[string]bool{}
	for _, v := range pod.Volumes {
		volumes[v.Name] = true
		if name := v.ConfigMap.Name; name != "" && name != byKind["ConfigMap"].Metadata.Name {
			t.Errorf("there is no ConfigMap %s", name)
		}
	}
	for _, c := range set.VolumeClaimTemplates {
		volumes[c.Metadata.Name] = true
	}
	for _, m := range worker.VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("there is no volume %s", m.Name)
		}
	}
	compose := readCompose(t)
	if image := compose.Services["worker"].Image; worker.Image != image || !strings.Contains(string(readFile(t, "Dockerfile")), "-t "+image+" ") {
		t.Errorf("the image is %s, the compose file builds %s", worker.Image, image)
	}
	if user := fmt.Sprintf("USER %d:%[1]d\n", pod.SecurityContext.FSGroup); !strings.Contains(string(readFile(t, "Dockerfile")), user) {
		t.Errorf("the image's user is not %q: it could not write the journal", user)
	}
	if partitions := compose.Services["topics"].Environment["PARTITIONS"]; fmt.Sprint(byKind["ScaledObject"].Spec.MaxReplicaCount) != partitions {
		t.Errorf("%d workers share %s partitions", byKind["ScaledObject"].Spec.MaxReplicaCount, partitions)
	}
}

func readManifests(t *testing.T) map[string]manifest {
	t.Helper()
	byKind := map[string]manifest{}
	for doc := range strings.SplitSeq(string(readFile(t, "kubernetes.yaml")), "\n---\n") {
		var m manifest
		if err := yaml.Unmarshal([]byte(doc), &m); err != nil {
			t.Fatal(err)
		}
		byKind[m.Kind] = m
	}
	return byKind
}
