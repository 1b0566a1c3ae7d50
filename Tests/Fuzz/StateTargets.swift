import ShardKit
import TestKit

@testable import NetKit
@testable import PipelineKit
@testable import Stages
@testable import TextKit

/// Pipeline documents, and what the program itself left behind and reads again.
let stateTargets: [String: FuzzTarget] = [
  "pipeline": reader(
    fixtures: ["../Pipelines"],
    words: [
      "\"stages\":", "\"use\":", "\"options\":", "\"inputs\":", "${", "}", "\"parameters\":", "{", "}", "[", "]", ",",
      "1e999",
    ]
  ) { input in
    let document = try PipelineSpec.parse(input, path: "/fuzz.json")
    _ = try Graph(document, registry: .builtin)
  },
  "pipeline-yaml": reader(
    samples: [
      "format: 1\nparameters: { d: &a [x, y], e: *a }\nstages:\n  w: { foreach: \"${d}\", use: documents.read, options: "
        + "{ files: \"${item}\" } }\n  c: { use: text.clean, inputs: { documents: w } } # end\n"
    ],
    words: [
      "foreach:", "extends:", "&a ", "*a", "<<: ", "? ", "- ", ": ", "|\n ", ">-\n ", "!!str ", "---\n", "...", "0o7",
      ".nan",
      "${item.", "${key}", "\u{85}", "\u{2028}", "\u{FEFF}", "\r\n", "'", "\"\\x",
    ]
  ) { input in
    let document = try PipelineSpec.parse(input, path: "/fuzz.yaml")
    _ = try Graph(document, registry: .builtin)
  },
  "byte-counts": textReader(
    samples: ["1.5GiB", "64 MiB", "67108864", "1e3KB"], words: ["KiB", "TB", " ", ".", "9999999999"]
  ) {
    input in
    guard let count = ByteCount.parse(String(decoding: input, as: UTF8.self)) else { return }
    promise((0...ByteCount.largest).contains(count.bytes), "a number of bytes is bounded")
  },
  "metrics": reader(
    samples: [
      "# HELP a_total Help \\\\ of\\ntwo.\n# TYPE a_total counter\na_total{stage=\"x\\\"\\\\\\ny\",b=\"\"} 1.5\na_total NaN\n",
      "# HELP b c\n# TYPE b gauge\nb -Inf\nb{} 5e-324\n",
    ], words: ["# HELP ", "# TYPE ", "{", "}", "=\"", "\",", "\\", "NaN", "+Inf", "gauge", "\r\n", "0x1p9"]
  ) { input in
    let families = MetricFamily.families(of: input)
    let text = families.map(\.text).joined()
    let again = MetricFamily.families(of: Array(text.utf8))
    promise(again.map(\.text).joined() == text, "metrics that were read are written as they are read again")
  },
  "manifests": reader(
    samples: [
      #"{"format":1,"phase":"run","key":"0","fingerprint":"\#(zeros)","files":[{"port":"p","name":"n","bytes":1,"digest":"\#(zeros)","#
        + #""documents":1,"textBytes":1}],"ledger":{"input":{"documents":1,"bytes":1},"output":{"documents":1,"bytes":1},"#
        + #""consumed":{"documents":0,"bytes":0},"dropped":{},"merged":{},"repeated":{}},"warnings":{"w":{"count":1,"example":"e"}},"metrics":{"m":1}}"#
    ], words: stateWords
  ) { input in
    let json = try JSONValue.parse(input).value
    if let task = try? TaskManifest(json: json) {
      promise((try? TaskManifest(json: task.json)) == task, "a manifest is the same after it was written")
    }
    _ = (try? NodeManifest(json: json), try? NodeIdentity(json: json), try? Ledger(json: json))
    _ = (try? TokenizerMeasurement(json: json), try? MeasureTally(json: json))
  },
  "part-log": fileReader(
    "part.log",
    samples: [
      #"{"upload":"u","place":"s3://b/k","sha256":"\#(Digester.digest([]).hex)","partBytes":5,"checksums":true}"# + "\n"
        + #"{"part":1,"bytes":5,"etag":"e","sha256":null}"# + "\n" + #"{"completing":true}"#
    ], words: stateWords + ["\n", "\"part\":"]
  ) { path in
    var abandoned: String?
    let subject = PartLog.Subject(place: "s3://b/k", digest: Digester.digest([]), partBytes: 5, withChecksums: true)
    _ = try PartLog(path, of: subject, abandoned: &abandoned)
  },
  "duplicates": fileReader(
    "duplicates", bytes: [[1, 0, 0, 0, 9, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 97, 98]]
  ) { path in
    var duplicates = try DuplicateReader(path)
    while duplicates.row != .max { try duplicates.advance() }
  },
  "upload-records": fileReader(
    "records.jsonl",
    samples: [
      #"{"key":"k","name":"n","bytes":5,"sha256":"\#(zeros)","etag":"e","action":"sent"}"#,
      #"{"bucket":"b","key":"k","bytes":5,"etag":"e","name":"n"}"#,
    ], words: stateWords + ["\n"]
  ) { path in
    if let objects = try? ListedObject.read(path) { _ = ListedObject.grouped(objects, bytes: 1 << 20) }
    _ = try UploadRecord.read(path)
  },
]

private let zeros = String(repeating: "0", count: 64)

private let stateWords = [
  "{", "}", "[", "]", ":", ",", "\"", "null", "true", "-1", "0", "9223372036854775807", "1125899906842624",
  "\"bytes\":",
]
