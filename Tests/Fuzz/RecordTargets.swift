import TestKit
import TrainerCore

@testable import ShardKit
@testable import Stages

/// Lines, JSON, CSV and MDS.
let recordTargets: [String: FuzzTarget] = [
  "lines": choosing(2, samples: ["a\r\nb\n\nc\rd", "\u{FEFF}a"], words: ["\r\n", "\r"]) { choice, content in
    let lines = LineReader(MemorySource(content), maximumLineBytes: 1 << 12, ends: choice == 0 ? .feed : .any)
    var bytes = 0
    while let line = try lines.next() { bytes += line.count }
    promise(bytes <= content.count, "lines hold no more than the file")
  },
  "csv": reader(fixtures: ["code/metadata.csv", "llmjp/quality.csv"], words: ["\"", ",", "\r\n", "\"\""]) { input in
    let reader = CSVReader(MemorySource(input))
    while let record = try reader.next() { _ = record.strings }
  },
  "json": reader(fixtures: ["diet", "mix"], words: jsonWords) { input in
    let node = try JSONValue.parse(input)
    promise(
      (try? JSONValue.parse(node.value.text()))?.value == node.value, "JSON is the same after it was read and written")
    promise(
      (try? JSONValue.parse(node.value.prettyText()))?.value == node.value, "JSON may be written over several lines")
  },
  "json-object": reader(
    samples: [#"{"a":1,"b":{"c":"x\u3042","c":2},"\u0061":[1,{"d":null}],"t":"é"}"#], words: jsonWords, readObject),
  "json-lines": reader(fixtures: ["documents/mixed.jsonl", "mix"], words: jsonWords + [#""text":"#, #""id":"#]) {
    input in
    let documents = DocumentReader(MemorySource(input))
    while let document = try documents.next() {
      promise(isText(document.text) && isText(document.id) && isText(document.metadata), "a document is UTF-8")
      var written: [UInt8] = []
      document.append(to: &written)
      let again = try? DocumentReader(MemorySource(written + [10])).next()
      promise(again == document, "a document is the same after it was read and written")
    }
  },
  "json-foreign": choosing(3, fixtures: ["documents/mixed.jsonl", "mix"], words: jsonWords) { choice, content in
    var options = DocumentsRead.Options()
    if choice == 1 { (options.textField, options.idField, options.sourceField) = ("a.b", "c", "a.b.c") }
    if choice == 2 { options.otherFields = .drop }
    let (record, lines) = (ForeignRecord(options), LineReader(MemorySource(content)))
    var document = Document()
    while let line = try lines.next() {
      guard record.fill(&document, from: line) == nil else { continue }
      promise(isText(document.text) && isText(document.id), "a field is UTF-8")
      promise(
        document.metadata.isEmpty || document.metadata.withUnsafeBytes { JSONKeys.judge($0) } != .noObject,
        "metadata is an object")
    }
  },
  "metadata": reader(samples: [#"{"url":"x","a":{"b":1,"c.d":[2]}}"#], words: jsonWords + [#""a":{"b":"#]) { input in
    MetadataReader(["url", "a.b", "a.c", "a.b.c"]).read(input) { path, value, _ in
      promise(path < 4 && value.count <= input.count, "a value stands in the metadata")
    }
  },
  "mds": fileReader("mds/shard.mds", bytes: [mdsShard]) { path in
    let folder = String(path.dropLast("/shard.mds".count))
    put(Array(mdsIndex(bytes: Int(FileSystem.status(path)?.bytes ?? 0)).utf8), folder + "/index.json")
    let shard = try MDSReader(directory: folder).shard(0)
    for sample in 0..<shard.samples {
      for column in 0..<3 { _ = try? shard.value(column, of: sample) }
      _ = try? shard.array(2, of: sample)
    }
  },
  "mds-index": fileReader(
    "mds-index/index.json",
    samples: [mdsIndex(bytes: mdsShard.count), mdsIndex(bytes: 3).replacing("shard", with: "x")],
    words: jsonWords + [
      "\"zip_data\":", "\"compression\":\"zstd\"", "ndarray:", "int32", "uint16", "9223372036854775807",
    ],
    readDataset),
]

private let jsonWords = [
  "{", "}", "[", "]", ":", ",", "\"", "\\", "\\u0000", "\\ud800", "\\udc00", "null", "true", "-", "1e999", "0.1",
  "9223372036854775808", "18446744073709551616", "\u{FEFF}",
]

private func readObject(_ input: [UInt8]) throws {
  let keys = input.withUnsafeBytes { JSONKeys.judge($0) }
  _ = input.withUnsafeBytes { JSONObjectReader().read(copying: $0) { _ in } }
  guard keys != .noObject, let members = JSONMembers(object: input) else { return }
  promise(
    members.object.withUnsafeBytes { JSONKeys.judge($0) } != .noObject || members.isEmpty, "members are an object")
  let once = input.withUnsafeBytes { JSONKeys.once($0) }
  promise(once.withUnsafeBytes { JSONKeys.judge($0) } == .unique, "keys that were made unique are")
}

/// A data set of one shard, whose index is the input.
private func readDataset(_ path: String) throws {
  put(mdsShard, String(path.dropLast("index.json".count)) + "shard.mds")
  let dataset = try MDSDataset(folder: String(path.dropLast("/index.json".count)))
  let samples = try TokenSamples([dataset], column: "c")
  var ids: [Int32] = []
  for sample in 0..<min(samples.samples, 8) {
    try? samples.append(sample, to: &ids, limit: 1 << 12, vocabulary: 1000)
    _ = try? samples.documents(of: sample)
  }
}

func mdsIndex(bytes: Int) -> String {
  #"{"version":2,"shards":[{"version":2,"format":"mds","compression":null,"hashes":[],"size_limit":null,"#
    + #""column_names":["a","b","c"],"column_encodings":["str","int","ndarray:uint16"],"column_sizes":[null,8,null],"#
    + #""samples":2,"zip_data":null,"zip_hashes":{},"raw_data":{"basename":"shard.mds","bytes":\#(bytes),"hashes":{}}}]}"#
}

/// Two samples of a string, an integer and an array, as `mdsIndex` describes them.
private let mdsShard: [UInt8] = {
  func number(_ value: UInt32) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }
  let array: [UInt8] = [4, 2, 1, 0, 2, 0]
  let sample = number(2) + number(UInt32(array.count)) + Array("ab".utf8) + [7, 0, 0, 0, 0, 0, 0, 0] + array
  let start: UInt32 = 4 + 3 * 4
  let offsets = (0...2).flatMap { number(start + UInt32($0 * sample.count)) }
  return number(2) + offsets + sample + sample
}()
