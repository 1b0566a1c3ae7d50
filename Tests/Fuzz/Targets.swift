import NetKit
import PipelineKit
import ShardKit
import Stages
import TestKit
import TextKit
import TrainerCore

/// Every reader of bytes from outside, by name.
let targets: [String: FuzzTarget] = [
  // Stages that read files.
  "aozora": source(AozoraRead.self, "works", names: ["a.txt", "a.zip", "a.tar"]),
  "cc100": source(CC100Read.self, "files", names: ["a.txt", "a.txt.xz"]),
  "commoncrawl": source(
    CommonCrawlExtract.self, "files", names: ["a.warc", "a.warc.gz", "a.wet.gz"],
    variants: [
      ["languages": .list([]), "minimumCharacters": 0, "boilerplate": "keep"],
      ["languages": .list([]), "minimumCharacters": 0],
    ]),
  "diet": source(
    DietRead.self, "pages", names: ["a.json", "a.xml"], variants: [["malformedPages": "drop"], ["document": "speech"]]),
  "documents": source(
    DocumentsRead.self, "files", names: ["a.jsonl", "a.jsonl.gz", "a.jsonl.zst"],
    variants: [["maximumMalformedFraction": 1], ["maximumMalformedFraction": 1, "textField": "a.b", "idField": "c.d"]]),
  "jats": source(
    JATSExtract.self, "articles", names: ["a.xml", "a.tar", "a.zip", "a.tar.gz"],
    variants: [["unknownLicense": "keep", "minimumBytes": 0], ["unknownLicense": "keep", "formulas": "tex"]]),
  "text": source(TextRead.self, "files", names: ["a.txt", "a.txt.gz", "a.txt.bz2", "a.txt.zst", "a.txt.xz"]),
  "wikipedia": source(WikipediaExtract.self, "dump", names: ["jawiki.xml", "jawiki.xml.bz2", "enwiki.xml"]),

  // Stages over texts.
  "clean": documents(
    TextClean.self,
    variants: [[:], ["phones": "token", "emails": "token", "urls": "keep"], ["nfkc": false], ["boilerplate": true]]),
  "dedupe": documents(DedupeMinHash.self, variants: [[:], ["threshold": .number(0.5)]]),
  "exact": documents(DedupeExact.self, variants: [[:]]),
  "language": documents(FilterLanguage.self, variants: [[:]]),
  "quality": documents(
    FilterQuality.self, variants: [["preset": "swallow"], ["preset": "uzushio"], ["preset": "hojichar"]]),
  "vocabulary": documents(TokenizerTrain.self, variants: [["vocabularySize": 300]]),

  // Readers below the stages.
  "csv": { input in
    attempt {
      let reader = CSVReader(MemorySource(input))
      while try reader.next() != nil {}
    }
  },
  "json": { input in
    guard let node = try? JSONValue.parse(input) else { return }
    promise(
      (try? JSONValue.parse(node.value.text()))?.value == node.value, "JSON is the same after it was read and written")
  },
  "mds": { input in
    let index =
      #"{"version":2,"shards":[{"version":2,"format":"mds","compression":null,"hashes":[],"size_limit":null,"#
      + #""column_names":["a","b","c"],"column_encodings":["str","int","ndarray:uint16"],"column_sizes":[null,8,null],"#
      + #""samples":2,"zip_data":null,"zip_hashes":{},"raw_data":{"basename":"shard.mds","bytes":\#(input.count),"hashes":{}}}]}"#
    write(Array(index.utf8), to: folder + "/mds/index.json")
    write(input, to: folder + "/mds/shard.mds")
    attempt {
      let shard = try MDSReader(directory: folder + "/mds").shard(0)
      for sample in 0..<shard.samples { for column in 0..<3 { _ = try? shard.value(column, of: sample) } }
    }
  },
  "pipeline": { input in
    attempt { _ = try PipelineDocument.parse(input, path: "/fuzz.json") }
  },
  "robots": { input in _ = RobotsFile(input).rules(for: "pipeline").allows("/a/b?c=d") },
  "streams": { input in
    attempt {
      _ = try decompress(MemorySource(input), Compression.detect(input)).readAll(limit: 1 << 22)
    }
  },
  "tar": { input in
    attempt {
      let reader = TarReader(MemorySource(input))
      while try reader.next() != nil { _ = try? reader.readMember(limit: 1 << 20) }
    }
  },
  "url": { input in
    let text = String(decoding: input, as: UTF8.self)
    guard let base = try? WebURL("http://example.org/a/b?c"), let url = try? base.resolving(text) else { return }
    promise((try? WebURL(url.description)) != nil, "a URL that was read is a URL when it is written")
  },
  "safetensors": { input in
    write(input, to: fuzzedFile)
    attempt {
      let file = try SafetensorsFile(fuzzedFile)
      for entry in file.entries { _ = try? file.floats(of: entry.name) }
    }
  },
  "warc": { input in
    attempt {
      let reader = WARCReader(MemorySource(input))
      while try reader.next(limit: 1 << 20) != nil {}
    }
  },
  "tokenizer": { input in
    write(input, to: folder + "/tokenizer/tokenizer.json")
    attempt { _ = try WordPieceTokenizer(path: folder + "/tokenizer/tokenizer.json") }
  },
  "wordpiece": { input in
    let tokens = ["[UNK]", "a", "##a", "あ", "##い", "日本"].map { Array($0.utf8) }
    let encoder = WordPieceEncoder(tokens: tokens, unknown: 0)
    var ids = TokenBuffer()
    Array(String(decoding: input, as: UTF8.self).utf8).withUnsafeBufferPointer { encoder.encode($0, into: &ids) }
  },
  "zip": { input in
    attempt {
      let zip = try ZipReader(input, name: "fuzz.zip")
      for entry in zip.entries.prefix(64) { _ = try? zip.read(entry, limit: 1 << 20) }
    }
  },
]

private let folder = temporaryDirectory()
private let fuzzedFile = folder + "/fuzz.bin"
