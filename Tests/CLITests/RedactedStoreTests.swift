import ShardKit
import TestKit
import Testing

/// What is redacted is in the store only where it came in.
@Suite struct RedactedStoreTests {
  private static let secrets = [
    "k.morishita@harukaze-kobo.co.jp", "０９０－０１２３－４５６７", "神奈川県横浜市西区みなとみらい2-3-5", "133.242.17.88", "7654321",
  ]

  private static let document = """
    { "format": 1, "name": "corpus", "stages": {
        "read": { "use": "documents.read", "options": { "files": "texts" } },
        "redact": { "use": "redact.pii", "options": { "ip": "drop" }, "inputs": { "documents": "read" } },
        "clean": { "use": "text.clean", "inputs": { "documents": "redact" } },
        "exact": { "use": "dedupe.exact", "inputs": { "documents": "clean" } },
        "shards": { "use": "mds.write", "options": { "compression": "none" }, "inputs": { "documents": "exact" } } } }
    """

  @Test func everyByteBehindTheStage() throws {
    let letter = "連絡先は\(Self.secrets[0])、携帯は\(Self.secrets[1])。住所：\(Self.secrets[2])"
    let bench = try Workbench(
      Self.document,
      texts: [[letter, letter, "接続元は\(Self.secrets[3])です。", "口座番号は\(Self.secrets[4])です。お間違えなく。"]])
    let run = try bench.run("run", "corpus.json", "--json")
    try #require(run.status == 0, "\(run.err)")
    var said = [run.out, run.err]
    for command in [
      ["status"], ["explain", "corpus.json"], ["lineage", "corpus.json"], ["lineage", "corpus.json", "--openlineage"],
    ] {
      let outcome = try bench.run(command)
      said += [outcome.out, outcome.err]
    }
    for secret in Self.secrets {
      #expect(!said.contains { $0.contains(secret) }, "\(secret) is in what commands print")
      let holders = try files(bench).filter { $0.content.firstRange(of: Array(secret.utf8)) != nil }.map(\.path)
      // The reading stage has it, so that the search would find it elsewhere.
      #expect(!holders.isEmpty && holders.allSatisfy { $0.contains("/read") }, "\(secret) is in \(holders)")
    }
    let all = try files(bench)
    #expect(
      all.contains { $0.content.firstRange(of: Array("<BANK_ACCOUNT>".utf8)) != nil && $0.path.hasSuffix(".mds") })
    #expect(all.contains { $0.content.firstRange(of: Array("pii-ip".utf8)) != nil })
  }

  /// All files of the store, hidden ones too, decompressed.
  private func files(_ bench: Workbench) throws -> [(path: String, content: [UInt8])] {
    let found = try bench.shell("find .pipeline -type f")
    return try found.out.split(separator: "\n").map { path in
      let whole = "\(bench.folder)/\(path)"
      return (String(path), try openSource(whole).readAll(limit: 1 << 26))
    }
  }
}
