// franz-go, for `milena-systest foreign`: produces, consumes in groups and runs transactions on the cluster it is given.
//
// `foreign BOOTSTRAP [classic-only]` prints a line for each check that held, and ends with the first that did not.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// One check may take so long.
const patience = 40 * time.Second

type world struct {
	seeds []string
	admin *kadm.Client
	made  int
}

func main() {
	log.SetFlags(0)
	w := &world{seeds: strings.Split(os.Args[1], ",")}
	w.admin = kadm.NewClient(w.client())
	modern := len(os.Args) < 3 || os.Args[2] != "classic-only"
	checks := []struct {
		name   string
		run    func(context.Context) (string, error)
		modern bool
	}{
		{"produce", w.produce, false},
		{"group, classic", func(ctx context.Context) (string, error) { return w.group(ctx, "classic") }, false},
		{"group, KIP-848", func(ctx context.Context) (string, error) { return w.group(ctx, "consumer") }, true},
		{"transactions in a group", w.transactions, false},
		{"fencing", w.fencing, false},
		{"admin", w.administer, false},
	}
	for _, check := range checks {
		if check.modern && !modern {
			continue
		}
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		begun := time.Now()
		said, err := check.run(ctx)
		cancel()
		if err != nil {
			log.Fatalf("%s: %v", check.name, err)
		}
		fmt.Printf("%s\t%.1f\t%s\n", check.name, time.Since(begun).Seconds(), said)
	}
}

func (w *world) client(options ...kgo.Opt) *kgo.Client {
	client, err := kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(w.seeds...)}, options...)...)
	if err != nil {
		log.Fatal(err)
	}
	return client
}

func (w *world) name(kind string) string {
	w.made++
	return fmt.Sprintf("franz-%s-%d-%d", kind, os.Getpid(), w.made)
}

func (w *world) topic(ctx context.Context, partitions int32) (string, error) {
	name := w.name("topic")
	_, err := w.admin.CreateTopic(ctx, partitions, -1, nil, name)
	return name, err
}

func records(topic string, from, to int) []*kgo.Record {
	var all []*kgo.Record
	for number := from; number < to; number++ {
		value := fmt.Sprintf("%06d", number)
		all = append(all, &kgo.Record{Topic: topic, Key: []byte(value), Value: []byte(value)})
	}
	return all
}

func (w *world) send(ctx context.Context, topic string, from, to int) error {
	client := w.client()
	defer client.Close()
	return client.ProduceSync(ctx, records(topic, from, to)...).FirstErr()
}

// How often each value of a topic is read until count of them were, and a moment longer.
func (w *world) read(ctx context.Context, topic string, count int) (map[string]int, error) {
	client := w.client(
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
	)
	defer client.Close()
	seen, total := map[string]int{}, 0
	for total < count {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return nil, fmt.Errorf("after %d of %d records: %w", total, count, err)
		}
		fetches.EachRecord(func(record *kgo.Record) {
			seen[string(record.Value)]++
			total++
		})
	}
	more, cancel := context.WithTimeout(ctx, 500*time.Millisecond)
	defer cancel()
	client.PollFetches(more).EachRecord(func(record *kgo.Record) { seen[string(record.Value)]++ })
	return seen, nil
}

func exactly(seen map[string]int, count int) error {
	for value, times := range seen {
		if times != 1 {
			return fmt.Errorf("%s is there %d times", value, times)
		}
	}
	if len(seen) != count {
		return fmt.Errorf("%d values instead of %d", len(seen), count)
	}
	return nil
}

func (w *world) produce(ctx context.Context) (string, error) {
	topic, err := w.topic(ctx, 5)
	if err != nil {
		return "", err
	}
	if err := w.send(ctx, topic, 0, 5000); err != nil {
		return "", err
	}
	seen, err := w.read(ctx, topic, 5000)
	if err != nil {
		return "", err
	}
	return "5,000 records, each once", exactly(seen, 5000)
}

// Two members share what was sent, then one is gone and the other goes on.
func (w *world) group(ctx context.Context, protocol string) (string, error) {
	topic, err := w.topic(ctx, 6)
	if err != nil {
		return "", err
	}
	name := w.name("group")
	member := func() *kgo.Client {
		options := []kgo.Opt{
			kgo.ConsumerGroup(name),
			kgo.ConsumeTopics(topic),
			kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
			kgo.HeartbeatInterval(300 * time.Millisecond),
		}
		if protocol == "consumer" {
			nextGen := context.WithValue(context.Background(), "opt_in_kafka_next_gen_balancer_beta", true)
			options = append(options, kgo.WithContext(nextGen))
		}
		return w.client(options...)
	}
	members := []*kgo.Client{member(), member()}
	seen := map[string]int{}
	total := 0
	poll := func() error {
		for _, client := range members {
			short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
			fetches := client.PollFetches(short)
			cancel()
			for _, failed := range fetches.Errors() {
				if !errors.Is(failed.Err, context.DeadlineExceeded) {
					return failed.Err
				}
			}
			fetches.EachRecord(func(record *kgo.Record) {
				seen[string(record.Value)]++
				total++
			})
		}
		return ctx.Err()
	}
	owned := func() []int {
		var counts []int
		for _, client := range members {
			counts = append(counts, len(client.UncommittedOffsets()[topic]))
		}
		return counts
	}
	// A member's share shows in what it has read of: records to every partition, until both have read.
	sent := 0
	for shares := owned(); shares[0] == 0 || shares[1] == 0; shares = owned() {
		if err := w.send(ctx, topic, sent, sent+200); err != nil {
			return "", err
		}
		sent += 200
		if err := poll(); err != nil {
			return "", fmt.Errorf("sharing (%v): %w", shares, err)
		}
	}
	for total < sent {
		if err := poll(); err != nil {
			return "", fmt.Errorf("reading %d of %d: %w", total, sent, err)
		}
	}
	for _, client := range members {
		if err := client.CommitUncommittedOffsets(ctx); err != nil {
			return "", err
		}
	}
	members[1].Close()
	members = members[:1]
	defer members[0].Close()
	if err := w.send(ctx, topic, sent, sent+600); err != nil {
		return "", err
	}
	for len(seen) < sent+600 {
		if err := poll(); err != nil {
			return "", fmt.Errorf("alone, %d of %d: %w", len(seen), sent+600, err)
		}
	}
	return fmt.Sprintf("%d records by two members of protocol %s, then one", sent+600, protocol), nil
}

// Consume, transform, produce: every third transaction is aborted.
func (w *world) transactions(ctx context.Context) (string, error) {
	source, err := w.topic(ctx, 3)
	if err != nil {
		return "", err
	}
	target, err := w.topic(ctx, 3)
	if err != nil {
		return "", err
	}
	if err := w.send(ctx, source, 0, 900); err != nil {
		return "", err
	}
	session, err := kgo.NewGroupTransactSession(
		kgo.SeedBrokers(w.seeds...),
		kgo.TransactionalID(w.name("id")),
		kgo.ConsumerGroup(w.name("group")),
		kgo.ConsumeTopics(source),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.RequireStableFetchOffsets(),
		kgo.FetchMaxPartitionBytes(4000),
	)
	if err != nil {
		return "", err
	}
	defer session.Close()
	done, ended := 0, 0
	for done < 900 {
		fetches := session.PollRecords(ctx, 100)
		if err := fetches.Err(); err != nil {
			return "", fmt.Errorf("after %d: %w", done, err)
		}
		if err := session.Begin(); err != nil {
			return "", err
		}
		count := 0
		fetches.EachRecord(func(record *kgo.Record) {
			session.Produce(ctx, &kgo.Record{Topic: target, Key: record.Key, Value: record.Value}, nil)
			count++
		})
		ended++
		committed, err := session.End(ctx, ended%3 != 0)
		if err != nil {
			return "", err
		}
		if committed {
			done += count
		}
	}
	seen, err := w.read(ctx, target, 900)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("900 records copied exactly once in %d transactions, every third aborted", ended), exactly(seen, 900)
}

func (w *world) fencing(ctx context.Context) (string, error) {
	topic, err := w.topic(ctx, 1)
	if err != nil {
		return "", err
	}
	id := w.name("id")
	first, second := w.client(kgo.TransactionalID(id)), w.client(kgo.TransactionalID(id))
	defer first.Close()
	defer second.Close()
	if err := first.BeginTransaction(); err != nil {
		return "", err
	}
	if err := first.ProduceSync(ctx, records(topic, 0, 10)...).FirstErr(); err != nil {
		return "", err
	}
	if err := second.BeginTransaction(); err != nil {
		return "", err
	}
	if err := second.ProduceSync(ctx, records(topic, 10, 20)...).FirstErr(); err != nil {
		return "", err
	}
	err = first.EndTransaction(ctx, kgo.TryCommit)
	if !errors.Is(err, kerr.ProducerFenced) && !errors.Is(err, kerr.InvalidProducerEpoch) {
		return "", fmt.Errorf("the older instance's commit: %v", err)
	}
	if err := second.EndTransaction(ctx, kgo.TryCommit); err != nil {
		return "", err
	}
	seen, err := w.read(ctx, topic, 10)
	if err != nil {
		return "", err
	}
	return "the older instance is refused, and nothing of it is read", exactly(seen, 10)
}

func (w *world) administer(ctx context.Context) (string, error) {
	topic, err := w.topic(ctx, 2)
	if err != nil {
		return "", err
	}
	if _, err := w.admin.UpdatePartitions(ctx, 4, topic); err != nil {
		return "", err
	}
	if err := w.send(ctx, topic, 0, 100); err != nil {
		return "", err
	}
	ends, err := w.admin.ListEndOffsets(ctx, topic)
	if err != nil {
		return "", err
	}
	total := int64(0)
	ends.Each(func(offset kadm.ListedOffset) { total += offset.Offset })
	if total != 100 {
		return "", fmt.Errorf("end offsets add up to %d", total)
	}
	value := "compact"
	changed, err := w.admin.AlterTopicConfigs(ctx, []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &value}}, topic)
	if err != nil {
		return "", err
	}
	if _, err := changed.On(topic, nil); err != nil {
		return "", err
	}
	configs, err := w.admin.DescribeTopicConfigs(ctx, topic)
	if err != nil {
		return "", err
	}
	described, err := configs.On(topic, nil)
	if err != nil {
		return "", err
	}
	found := false
	for _, config := range described.Configs {
		found = found || config.Key == "cleanup.policy" && config.MaybeValue() == value
	}
	if !found {
		return "", errors.New("cleanup.policy is not as it was set")
	}
	metadata, err := w.admin.BrokerMetadata(ctx)
	if err != nil {
		return "", err
	}
	if len(metadata.Brokers) != len(w.seeds) {
		return "", fmt.Errorf("%d brokers", len(metadata.Brokers))
	}
	if _, err := w.admin.DeleteTopic(ctx, topic); err != nil {
		return "", err
	}
	return "partitions added, offsets listed, settings changed, topic deleted", nil
}
