// franz-go, for `milena-systest codecs`: writes the records of standard input, or reads a topic to standard output.
//
// A record is a line: partition, key, value and headers, parted by tabs, in hexadecimal; "-" is null.
package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	log.SetFlags(0)
	arguments := os.Args[1:]
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var err error
	switch arguments[0] {
	case "write":
		err = write(ctx, arguments[1], arguments[2], strings.Split(arguments[3], ","))
	case "read":
		err = read(ctx, arguments[1], arguments[2], number(arguments[3]), number(arguments[4]))
	default:
		err = fmt.Errorf("%s is not a command", arguments[0])
	}
	if err != nil {
		log.Fatal(err)
	}
}

// Each case, `codec` or `codec:level`, is written by a client of its own, to the partition of its place in the list.
func write(ctx context.Context, bootstrap, topic string, cases []string) error {
	partitions := make([][]*kgo.Record, len(cases))
	input := bufio.NewScanner(os.Stdin)
	input.Buffer(nil, 16<<20)
	for input.Scan() {
		fields := strings.Split(input.Text(), "\t")
		record := &kgo.Record{
			Topic:     topic,
			Partition: int32(number(fields[0])),
			Key:       toBytes(fields[1]),
			Value:     toBytes(fields[2]),
		}
		for _, header := range strings.Split(fields[3], ";") {
			if name, value, found := strings.Cut(header, "="); found {
				record.Headers = append(record.Headers, kgo.RecordHeader{Key: string(toBytes(name)), Value: toBytes(value)})
			}
		}
		partitions[record.Partition] = append(partitions[record.Partition], record)
	}
	for partition, records := range partitions {
		codec, err := codecOf(cases[partition])
		if err != nil {
			return err
		}
		client, err := kgo.NewClient(
			kgo.SeedBrokers(bootstrap),
			kgo.RecordPartitioner(kgo.ManualPartitioner()),
			kgo.ProducerLinger(50*time.Millisecond),
			kgo.ProducerBatchMaxBytes(500_000),
			kgo.ProducerBatchCompression(codec),
		)
		if err != nil {
			return err
		}
		err = client.ProduceSync(ctx, records...).FirstErr()
		client.Close()
		if err != nil {
			return fmt.Errorf("%s: %w", cases[partition], err)
		}
	}
	return input.Err()
}

func codecOf(codecAndLevel string) (kgo.CompressionCodec, error) {
	name, level, leveled := strings.Cut(codecAndLevel, ":")
	codecs := map[string]kgo.CompressionCodec{
		"none":   kgo.NoCompression(),
		"gzip":   kgo.GzipCompression(),
		"snappy": kgo.SnappyCompression(),
		"lz4":    kgo.Lz4Compression(),
		"zstd":   kgo.ZstdCompression(),
	}
	codec, known := codecs[name]
	if !known {
		return codec, fmt.Errorf("%s is not a codec", name)
	}
	if leveled {
		codec = codec.WithLevel(number(level))
	}
	return codec, nil
}

func read(ctx context.Context, bootstrap, topic string, partitions, count int) error {
	offsets := map[int32]kgo.Offset{}
	for partition := range partitions {
		offsets[int32(partition)] = kgo.NewOffset().AtStart()
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(bootstrap),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	output := bufio.NewWriter(os.Stdout)
	defer output.Flush()
	for seen := 0; seen < count && ctx.Err() == nil; {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil && ctx.Err() == nil {
			return err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			headers := make([]string, 0, len(record.Headers))
			for _, header := range record.Headers {
				headers = append(headers, hex.EncodeToString([]byte(header.Key))+"="+toHex(header.Value))
			}
			fmt.Fprintf(output, "%d\t%s\t%s\t%s\n", record.Partition, toHex(record.Key), toHex(record.Value), strings.Join(headers, ";"))
			seen++
		})
	}
	return nil
}

func toBytes(field string) []byte {
	if field == "-" {
		return nil
	}
	bytes, err := hex.DecodeString(field)
	if err != nil {
		log.Fatal(err)
	}
	return bytes
}

func toHex(bytes []byte) string {
	if bytes == nil {
		return "-"
	}
	return hex.EncodeToString(bytes)
}

func number(field string) int {
	number, err := strconv.Atoi(field)
	if err != nil {
		log.Fatal(err)
	}
	return number
}
