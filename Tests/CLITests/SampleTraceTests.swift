import Glibc
import ShardKit
import TestKit
import Testing
import TextKit

private let hasEngine =
  getenv("PIPELINE_ENGINE") != nil || FileSystem.exists(packagePath(".build/engine/libpipelinetorch.so"))

/// `pipeline trace --step` and `--shard`: what they name is what the samples hold.
@Suite(.serialized) struct SampleTraceTests {
  private static let words = ["川", "水車", "小屋", "朝", "パン", "焼く", "駅", "図書室", "本", "棚", "雪", "山", "瓶", "梅", "味噌", "茸"]

  /// 70 documents of different texts, some longer than a sample.
  private static func text(_ number: Int) -> String {
    (0..<(4 + number * 7 % 61)).map { words[(number * 5 + $0 * (number % 3 + 1)) % words.count] }.joined(separator: "の")
      + "。\(number)"
  }

  private static func bench(_ packing: String, training: String = "") throws -> Workbench {
    let bench = try Workbench(
      """
      { "format": 1, "name": "corpus", "stages": {
        "read": { "use": "documents.read", "options": { "files": "texts" } },
        "clean": { "use": "text.clean", "options": { "minimumBytes": 30 }, "inputs": { "documents": "read" } },
        "tokenizer": { "use": "tokenizer.train", "inputs": { "documents": "read" },
          "options": { "vocabularySize": 120 } },
        "shards": { "use": "mds.write", "inputs": { "documents": "clean" },
          "options": { "columns": { "content": "text" } } },
        "tokens": { "use": "tokenizer.encode", "inputs": { "documents": "clean", "tokenizer": "tokenizer" },
          "options": { "sequenceLength": 24, "packing": "\(packing)", "shardBytes": "1KiB" } }\(training)
      } }
      """, texts: [])
    for file in 0..<3 {
      var lines: [UInt8] = []
      for number in stride(from: file, to: 70, by: 3) {
        Document(
          id: "doc/\(number)", text: text(number), source: "source \(file)",
          metadata: ["url": .string("https://example.org/\(number)"), "license": "CC0-1.0"]
        ).append(to: &lines)
      }
      try bench.write("texts/\(file).jsonl", String(decoding: lines, as: UTF8.self))
    }
    return bench
  }

  /// Compares a sample's tokens with those of the documents that the trace names, read where it says they are.
  private func check(_ sample: JSONValue, _ bench: Workbench, _ session: TokenizerSession, _ tokens: MDSReader) throws {
    let shard = try tokens.shard(try #require(sample["shard"]?.integer))
    let column = try #require(shard.columns.firstIndex { $0.name == "input_ids" })
    let array = try shard.array(column, of: try #require(sample["sample"]?.integer))
    let ids = withExtendedLifetime(shard) { array.bytes.bindMemory(to: UInt16.self).map { UInt32($0) } }
    var at = 0
    for document in try #require(sample["documents"]?.array) {
      let places = try #require(document["places"]?.array)
      #expect(places.map { $0["stage"]?.string } == ["read", "clean"])
      let line = try Self.line(places[0])
      #expect(line.idString == document["id"]?.string)
      let input = try #require(document["input"])
      let raw = LineReader(try openSource(bench.folder + "/texts/" + (input["file"]?.string ?? "")))
      var record: UnsafeRawBufferPointer?
      for _ in 0..<(input["number"]?.integer ?? 0) { record = try raw.next() }
      #expect(String(decoding: try #require(record), as: UTF8.self).contains("\"\(line.idString)\""))
      #expect(document["url"]?.string == "https://example.org/\(line.idString.dropFirst(4))")
      #expect(document["source"]?.string == String(decoding: line.source, as: UTF8.self))
      var buffer = TokenBuffer()
      let text = try Self.line(places[1]).text
      #expect(document["textBytes"]?.integer == text.count)
      try text.withUnsafeBufferPointer { try session.encode($0, into: &buffer) }
      let from = try #require(document["from"]?.integer), count = try #require(document["tokens"]?.integer)
      let own = ids[at..<at + count].filter {
        !(session.tokenizer.frame.before + session.tokenizer.frame.after).contains($0)
      }
      #expect(own == Array(Array(buffer.ids)[from..<from + own.count]))
      at += count
    }
    #expect(at == ids.count)
  }

  private static func line(_ place: JSONValue) throws -> Document {
    let reader = try DocumentReader(path: try #require(place["path"]?.string))
    var document = Document()
    for _ in 0..<(try #require(place["line"]?.integer)) { #expect(try reader.next(&document)) }
    return document
  }

  private func session(_ bench: Workbench) throws -> TokenizerSession {
    try TokenizerSession(Tokenizer(path: try folder(bench, "tokenizer") + "/tokenizer.json"))
  }

  @Test(arguments: ["concatenate", "bestfit"])
  func samplesOfAShardAreTheirDocuments(_ packing: String) throws {
    let bench = try Self.bench(packing)
    #expect(try bench.run("run", "corpus.json").status == 0)
    let tokens = try MDSReader(directory: folder(bench, "tokens"))
    let session = try session(bench)
    #expect(tokens.index.shards.count > 3)
    var parts = 0
    for (number, shard) in tokens.index.shards.enumerated().filter({ $0.offset % 8 == 1 }) {
      let name = number % 16 == 1 ? shard.stored.basename : "\(number)"
      let outcome = try bench.run(
        "trace", "corpus.json", "tokens", "--shard", name, "--sample", "\(shard.samples - 1)", "--json")
      let traced = try JSONValue.parse(outcome.out).value
      let sample = try #require(traced["samples"]?.array?.first, "\(outcome.err)")
      try check(sample, bench, session, tokens)
      parts += sample["documents"]?.array?.count ?? 0
      // The same document, asked for by its id.
      let id = try #require(sample["documents"]?.array?.last?["id"]?.string)
      let document = try JSONValue.parse(try bench.run("trace", id, "--json").out).value
      let places = try #require(document["stages"]?.array?.last { $0["stage"]?.string == "tokens" }?["places"]?.array)
      #expect(
        places.contains { place in
          place["path"]?.string?.hasSuffix(shard.stored.basename) == true
            && place["ordinal"]?.integer == shard.samples - 1 && place["verified"]?.bool == true
        })
    }
    #expect(parts > tokens.index.shards.count / 8)
    guard packing == "concatenate" else { return }
    // Samples that do not name their documents are found by the list of ids.
    let text = try bench.run("trace", "corpus.json", "shards", "--shard", "0", "--sample", "5").out
    let json = try JSONValue.parse(
      try bench.run("trace", "corpus.json", "shards", "--shard", "0", "--sample", "5", "--json").out
    ).value
    let document = try #require(json["samples"]?.array?.first?["documents"]?.array?.first)
    let place = try #require(document["places"]?.array?.last)
    let first = try MDSReader(directory: folder(bench, "shards")).shard(0)
    let content = Array(try first.value(0, of: 5))
    withExtendedLifetime(first) {}
    #expect(try Self.line(place).text == content)
    let id = try #require(document["id"]?.string)
    #expect(text.hasPrefix("shards shard.00000.mds, sample 5\n  \(id)\n    from read documents/"))
    #expect(
      text.contains(" · created ") == false && text.contains("url https://example.org/\(id.dropFirst(4)) · license CC0")
    )
  }

  @Test(.needs(hasEngine, "needs Scripts/engine")) func stepsOfContinuedTrainingsAreTheirDocuments() throws {
    let shape = """
      "hiddenSize": 16, "layers": 1, "heads": 2, "intermediateSize": 16, "batchSize": 6, "microbatchSize": 4,
      "sequenceLength": 24, "threads": 1, "device": "cpu"
      """
    let inputs = #""tokens": "tokens", "tokenizer": "tokenizer""#
    let bench = try Self.bench(
      "bestfit",
      training: """
        ,
        "first": { "use": "model.pretrain", "inputs": { \(inputs) },
          "options": { \(shape), "steps": 5, "keepEverySteps": 4 } },
        "second": { "use": "model.pretrain", "inputs": { \(inputs), "resume": "first.checkpoints" },
          "options": { \(shape), "steps": 60, "resumeStep": 4, "skipSteps": ["6-58"] } }
        """)
    let early = try bench.run("trace", "second", "--step", "5")
    #expect(bench.errors(early).first?.hasPrefix("'second' has not been run yet. Run it: pipeline run ") == true)
    let run = try bench.run("run", "corpus.json", environment: ["OMP_WAIT_POLICY": "passive"])
    #expect(run.status == 0, "\(run.err)")
    let tokens = try MDSReader(directory: folder(bench, "tokens"))
    let session = try session(bench)
    var seen: [Int: [JSONValue]] = [:]
    for (step, stage) in [(3, "first"), (5, "second"), (59, "second")] {
      let outcome = try bench.run("trace", "corpus.json", "second", "--step", "\(step)", "--json")
      let traced = try JSONValue.parse(outcome.out).value
      #expect(traced["stage"]?.string == stage, "\(outcome.err)")
      let samples = try #require(traced["samples"]?.array)
      #expect(samples.count == 6 && Set(samples.map { "\($0["shard"]!) \($0["sample"]!)" }).count == 6)
      for sample in samples { try check(sample, bench, session, tokens) }
      seen[step] = samples
    }
    let same = try JSONValue.parse(try bench.run("trace", "first", "--step", "5", "--json").out).value
    #expect(same["samples"]?.array == seen[5], "the second training goes on where the first one was at step 4")
    let text = try bench.run("trace", "corpus.json", "second", "--step", "20", "--samples", "2").out
    #expect(text.hasPrefix("step 20 of second (of 60): epoch "))
    #expect(text.contains("passed over by skipSteps") && text.contains("\n4 more samples: --samples or --json"))
    for (words, message) in [
      (["--step", "3"], "--step needs the name of a training"),
      (
        ["tokens", "--step", "3"],
        "'tokens' is a 'tokenizer.encode', which has no training steps to trace. Trainings of"
      ),
      (["second", "--step", "61"], "has no step 61: its steps count from 1 to 60"),
      (["--shard", "0", "--sample", "0"], "--shard needs the name of a stage"),
      (["tokens", "--shard", "99", "--sample", "0"], "the data set has no shard '99'"),
      (["tokens", "--shard", "0", "--sample", "9999"], "shard.00000.mds has no sample 9999"),
      (["tokens", "--shard", "0"], "--shard and --sample go together."),
    ] {
      let outcome = try bench.run(["trace", "corpus.json"] + words)
      #expect(outcome.status != 0 && outcome.err.contains(message), "\(outcome.err)")
    }
  }

  private func folder(_ bench: Workbench, _ artifact: String) throws -> String {
    String(try bench.run("artifact", "corpus.json", artifact).out.dropLast())
  }
}
