import Glibc
import PipelineKit
import ShardKit
import TestKit
import Testing

private let siteScript = PeerScript("aozora_site.py")
private let hasEngine =
  getenv("PIPELINE_ENGINE") != nil || FileSystem.exists(packagePath(".build/engine/libpipelinetorch.so"))

/// `Pipelines/tiny/publish.json` and `Pipelines/mirrors.json` as they are, against servers on this machine: from six sources
/// through a corpus and a model to a bucket and a Hub, and from there to another corpus.
@Suite(
  .serialized,
  .needs(
    hasEngine && LocalServer.isUsable && HubServer.isUsable && ObjectStore.isUsable && siteScript.isUsable,
    "needs Scripts/engine and Python with moto"))
final class NetworkPipelineTests {
  private let site: LocalServer
  private let hub: HubServer
  private let bucket: ObjectStore
  private let folder = temporaryDirectory()
  private var served: String { folder + "/site" }

  private static let token = "hf_writer"
  private static let environment = [
    "AWS_ACCESS_KEY_ID": ObjectStore.accessKey, "AWS_SECRET_ACCESS_KEY": ObjectStore.secretKey,
    "AWS_EC2_METADATA_DISABLED": "true", "HF_TOKEN": token, "OMP_WAIT_POLICY": "passive",
  ]

  init() throws {
    site = try LocalServer()
    hub = try HubServer()
    bucket = try ObjectStore()
    try hub.setRules(["multipartOver": 200_000, "chunk": 65_536])
    try writeSite()
    try site.serve(folder: served)
    try site.control("diet", ["folder": .string(packagePath("Fixtures/diet"))])
  }

  deinit { try? FileSystem.removeTree(folder) }

  // MARK: Sources

  /// Sentences that differ enough to be nobody's duplicates.
  private func prose(_ seed: Int, sentences: Int = 40) -> String {
    let who = ["猫", "船大工", "若い先生", "旅の僧", "隣の娘", "川守り", "郵便屋", "老人", "学生", "犬"]
    let place = ["橋の上", "古い寺", "山の村", "港の倉", "雪の道", "畑の隅", "駅の前", "夜の町", "海辺", "森の奥"]
    let act = ["本を読んでいた", "雨を待っていた", "歌を作った", "手紙を落とした", "魚を焼いた", "空を見ていた", "黙って歩いた"]
    var state = UInt64(seed) &* 2_654_435_761 &+ 97
    func pick(_ words: [String]) -> String {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return words[Int(state >> 33) % words.count]
    }
    return (0..<sentences).map { _ in "\(pick(who))は\(pick(place))で\(pick(who))の\(pick(place))のために\(pick(act))。" }
      .joined(separator: "\n")
  }

  private func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

  private func write(_ name: String, _ bytes: [UInt8]) throws {
    let path = "\(served)/\(name)"
    try FileSystem.makeDirectory(String(path[..<path.lastIndex(of: "/")!]))
    try FileSystem.write(bytes, to: path)
  }

  private func writeSite() throws {
    let works: [JSONValue] = (1...40).map { id in
      ["id": .integer(id), "text": .string("題\n作者\n\n\(prose(id))\n\n底本：「見本」見本社\n")]
    }
    try FileSystem.makeDirectory(served)
    try FileSystem.write(Array((["works": .list(works)] as JSONValue).text().utf8), to: folder + "/works.json")
    try #require(siteScript.run(folder + "/works.json", served, site.origin) != nil)
    try writeDump()
    for page in 1...5 { try write("school/\(page).html", "<html><body><p>\(prose(100 + page))</p></body></html>") }
    let entries = (1...5).map { "<url><loc>\(site.origin)/school/\($0).html</loc></url>" }.joined()
    try write("sitemap.xml", "<urlset>\(entries)</urlset>")
    try write("robots.txt", "User-agent: *\nAllow: /\nSitemap: \(site.origin)/sitemap.xml\n")
    try write("wet.paths", "archives/1.warc.wet\narchives/2.warc.wet\n")
    try write("archives/1.warc.wet", (1...3).map(conversion).joined())
    for name in ["wetland.xml", "kawa.nxml"] {
      let put = PeerScript.objects.run(
        bucket.origin, "put", "corpus", "papers/\(name.split(separator: ".")[0]).xml",
        packagePath("Fixtures/jats/\(name)"),
        "public-read")
      try #require(put != nil)
    }
  }

  private func writeDump() throws {
    let base = "jawiki-20260120-pages-articles-multistream"
    var sums = ""
    for (own, name) in [
      ("jawiki-multistream.xml.bz2", ".xml.bz2"), ("jawiki-multistream-index.txt.bz2", "-index.txt.bz2"),
    ] {
      let bytes = try FileSystem.read(packagePath("Fixtures/wikipedia/\(own)"))
      try write("jawiki/20260120/\(base)\(name)", bytes)
      sums += "\(Checksummer.checksum(bytes, .sha1).hex)  \(base)\(name)\n"
    }
    try write("jawiki/20260120/jawiki-20260120-sha1sums.txt", sums)
  }

  private func conversion(_ number: Int) -> String {
    let text = prose(200 + number)
    return "WARC/1.0\r\nWARC-Type: conversion\r\nWARC-Target-URI: https://a.example.jp/\(number)\r\n"
      + "WARC-Date: 2025-01-0\(number)T00:00:00Z\r\nWARC-Record-ID: <urn:uuid:\(number)>\r\n"
      + "Content-Type: text/plain\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)\r\n\r\n"
  }

  // MARK: Running

  private func start(_ name: String, _ settings: [(String, String)]) throws -> ChildProcess {
    let common = [("allowPrivateAddresses", "true"), ("hub", hub.origin)]
    let document = name == "publish" ? "tiny/publish" : name
    return try ChildProcess(
      ["run", packagePath("Pipelines/\(document).json"), "--store", "\(folder)/\(name)"]
        + (common + settings).flatMap { ["--set", "\($0)=\($1)"] }, environment: Self.environment)
  }

  private func publish() throws -> ChildProcess {
    try start(
      "publish",
      [
        ("pause", "0.01"), ("dietPause", "0.01"), ("aozora", site.origin), ("diet", site.origin + "/api"),
        ("from", "2026-01-01"), ("until", "2026-01-31"), ("dumps", site.origin),
        ("sitemaps", "[\"\(site.origin)/robots.txt\"]"), ("pages", "[\"\(site.origin)/school/\"]"),
        ("commonCrawl", site.origin), ("archives", "wet.paths"),
        ("papers", "s3://corpus/papers"), ("articles", "[\"*.xml\"]"), ("papersEndpoint", bucket.origin),
        ("bucket", "s3://corpus/japanese"), ("bucketEndpoint", bucket.origin),
      ])
  }

  private func documents(_ name: String, _ stage: String, _ port: String = "documents") throws -> [Document] {
    let store = try RunStore(root: "\(folder)/\(name)")
    let manifest = try #require(try store.newestSealed(stage: stage)?.manifest)
    var out: [Document] = []
    for file in store.artifacts.files(manifest, port: port) {
      let reader = try DocumentReader(path: file.path)
      while let document = try reader.next() { out.append(document) }
    }
    return out
  }

  private func holding(_ text: String, below folder: String) throws -> [String] {
    try FileSystem.walk(folder).filter {
      try FileSystem.read("\(folder)/\($0)").firstRange(of: Array(text.utf8)) != nil
    }
  }

  private func questions() throws -> Int { try site.count() + bucket.count() + hub.questions().count }

  private func kill(_ child: ChildProcess) throws {
    usleep(UInt32.random(in: 0...50_000))
    child.signal(SIGKILL)
    #expect(try child.wait().status == 128 + SIGKILL)
    try site.forgetTheDead()
    try bucket.forgetTheDead()
  }

  private func killWhileFetching() throws {
    // Of forty works.
    let share = Int.random(in: 1...20)
    try site.hold(after: share, of: "/cards/")
    let child = try publish()
    try child.works(until: "works") { try site.questions().count { $0.path.hasPrefix("/cards/") } >= share }
    try kill(child)
  }

  private func killWhileSending() throws {
    // Of two sets of shards with their indexes.
    try bucket.hold(after: Int.random(in: 0...2), of: "PUT /corpus/japanese")
    let child = try publish()
    try child.works(until: "an object on its way") { try bucket.held() > 0 }
    try kill(child)
  }

  @Test func fromCrawlToUploadAndOn() throws {
    try killWhileFetching()
    try killWhileSending()
    let run = try publish().wait()
    try #require(run.status == 0, "\(run.errors)")

    let train = try documents("publish", "split", "train")
    let sources = Dictionary(grouping: train.map { String(decoding: $0.source, as: UTF8.self) }, by: \.self).mapValues(
      \.count)
    #expect(Set(sources.keys) == ["aozora", "diet", "wikipedia", "web", "commoncrawl", "pmc"], "\(sources)")
    try checkUploads(train: train.count)
    for secret in [Self.token, ObjectStore.secretKey] {
      #expect(try holding(secret, below: folder + "/publish").isEmpty)
      #expect(!run.errors.contains(secret))
    }

    let asked = try questions()
    let again = try publish().wait()
    #expect(again.status == 0, "\(again.errors)")
    #expect(try questions() == asked, "a second run has nothing to ask")
    try readBack()
    try keepDigests()
  }

  /// Writes the digests of all that both pipelines published to the file that `PIPELINE_KEEP_DIGESTS` names. With
  /// `PIPELINE_FIRST_PORT` (see `Tests/Peers/hold.py`) they are the same in each run.
  private func keepDigests() throws {
    guard let file = getenv("PIPELINE_KEEP_DIGESTS") else { return }
    let documents = ["publish", "mirrors"].map { packagePath("Pipelines/\($0).json") }
    let digests = try ChildProcess(
      ["--finished", folder, "--output", String(cString: file)] + documents, program: packagePath("Scripts/digests")
    ).wait()
    #expect(digests.status == 0, "\(digests.errors)")
  }

  private func checkUploads(train: Int) throws {
    var objects: [String: JSONValue] = [:]
    for line in try #require(PeerScript.objects.run(bucket.origin, "list", "corpus")).split(separator: 10) {
      let json = try JSONValue.parse(Array(line)).value
      objects[json["key"]?.string ?? ""] = json
    }
    let store = try RunStore(root: folder + "/publish")
    for (stage, port) in [("shards", "mds"), ("tokens", "tokens")] {
      let manifest = try #require(try store.newestSealed(stage: stage)?.manifest)
      for file in store.artifacts.files(manifest, port: port) {
        #expect(objects["japanese/\(stage)/\(file.name)"]?["sha256"]?.string == file.digest.hex, "\(file.name)")
      }
      #expect(objects["japanese/\(stage)/index.json"] != nil)
    }
    let order = try bucket.sent().map(\.path)
    let indexes = order.indices.filter { order[$0].hasSuffix("index.json") }
    #expect(indexes.allSatisfy { $0 >= order.count - indexes.count }, "the indexes come last: \(order)")

    let data = try hub.tree("me/japanese-corpus")
    #expect(data.keys.contains { $0.hasSuffix(".jsonl.zst") } && data["README.md"] != nil, "\(data.keys)")
    let model = try hub.tree("me/japanese-bert", kind: "model")
    #expect(Set(model.keys).isSuperset(of: ["README.md", "config.json", "model.safetensors", "tokenizer.json"]))
    #expect(try hub.seen("storageAuthorizations") == 0)
  }

  /// The shards' documents from the bucket, an LLM-jp corpus from the Hub and code by its digests, cut into tokens of the
  /// model that was published.
  private func readBack() throws {
    let records = (0..<4).map {
      "{\"text\": \"\(prose(300 + $0).replacing("\n", with: ""))\", \"meta\": {\"docId\": \"r\($0)\"}}\n"
    }
    try hub.move("me/llm-jp", [("ja/ja_cc/level0/0000.jsonl", records.joined())])
    let scores = (0..<4).map { "ja/ja_cc/level0/0000.jsonl,\($0),r\($0),0.\($0),10\n" }.joined()
    try FileSystem.write(Array("path,line,docId,score,tokens\n\(scores)".utf8), to: folder + "/quality.csv")
    let own = "{\"id\": \"own/1\", \"text\": \"\(prose(400).replacing("\n", with: ""))\", \"source\": \"own\"}\n"
    try FileSystem.write(Array(own.utf8), to: folder + "/own.jsonl")
    try #require(PeerScript.objects.run(bucket.origin, "put", "corpus", "own/1.jsonl", folder + "/own.jsonl") != nil)
    let code = packagePath("Fixtures/code")
    let rows = try FileSystem.read(code + "/metadata.jsonl").split(separator: 10).prefix(2)
    try FileSystem.write(Array(rows.joined(separator: [10])) + [10], to: folder + "/metadata.jsonl")
    for name in try FileSystem.list(code + "/contents") {
      try write("content/\(name.replacing(".gz", with: ""))", FileSystem.read("\(code)/contents/\(name)"))
    }
    let cache = folder + "/cache"
    let run = try start(
      "mirrors",
      [
        ("corpus", "me/llm-jp"), ("scores", folder + "/quality.csv"), ("fraction", "0.5"),
        ("metadata", folder + "/metadata.jsonl"), ("contents", site.origin + "/content/{blob_id}"),
        ("documents", "s3://corpus/own/"), ("documentsEndpoint", bucket.origin), ("bert", "me/japanese-bert"),
        ("cache", cache),
      ]
    ).wait()
    try #require(run.status == 0, "\(run.errors)")
    #expect(try documents("mirrors", "dedupe").map(\.idString).sorted() == ["own/1", "r2", "r3"])
    #expect(try documents("mirrors", "code").count == 2)
    let index = try JSONValue.parse(FileSystem.read(cache + "/index.json")).value
    let shards = try #require(index["shards"]?.array)
    #expect(
      !shards.isEmpty
        && shards.allSatisfy { shard in
          FileSystem.exists("\(cache)/\(shard["raw_data"]?["basename"]?.string ?? "none")")
        })
  }
}
