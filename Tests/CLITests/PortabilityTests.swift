import Glibc
import ShardKit
import TestKit
import Testing

/// The same bytes on processors with few vectors and with many.
@Suite struct PortabilityTests {
  /// Stages whose inner loops have several copies: JSON, UTF-8, folding, shingles, sketches.
  private static let document = """
    { "format": 1, "name": "portable",
      "stages": {
        "read": { "use": "documents.read", "options": { "files": "texts" } },
        "clean": { "use": "text.clean", "options": { "minimumBytes": 1 }, "inputs": { "documents": "read" } },
        "dedupe": { "use": "dedupe.minhash", "inputs": { "documents": "clean" } },
        "shards": { "use": "mds.write", "inputs": { "documents": "dedupe" } }
      } }
    """

  /// Texts of every length with near-duplicates and escapes.
  private static let texts: [String] = (0..<300).map { number in
    let words = ["水車小屋", "ａｂｃ", "パン", "\n", "\"引用\"", "ｶﾅ", "😀", "\\", "駅前の図書室", "été"]
    let length = 20 + number * number % 173
    return (0..<length).map { words[($0 * 7 + number / 2 * 13) % words.count] }.joined() + "\(number % 2)"
  }

  /// The digest of every file of every artifact, by its path.
  private func digests(_ environment: [String: String]) throws -> [String: String] {
    let bench = try Workbench(Self.document, texts: [Self.texts])
    let outcome = try bench.run("run", "corpus.json", environment: environment)
    try #require(outcome.status == 0, "\(outcome.err)")
    var found: [String: String] = [:]
    for stage in ["read", "clean", "dedupe", "shards"] {
      let folder = try bench.run("artifact", stage).out.split(separator: "\n").first.map(String.init) ?? ""
      for name in try FileSystem.walk(folder) where !name.hasSuffix(".json") || name.hasSuffix("index.json") {
        found["\(stage)/\(name)"] = "\(recordHash(try FileSystem.read("\(folder)/\(name)")))"
      }
    }
    return found
  }

  @Test func outputsDoNotDependOnTheProcessor() throws {
    let usual = try digests([:])
    #expect(usual.count >= 5 && usual.keys.contains { $0.hasPrefix("dedupe/") })
    for level in ["portable", "avx2"] { #expect(try digests(["PIPELINE_SIMD": level]) == usual, "\(level)") }
  }

  /// What forces the portable code reaches all of it.
  @Test func doctorSaysWhatIsUsed() throws {
    let bench = try Workbench()
    let forced = try bench.run("doctor", environment: ["PIPELINE_SIMD": "portable"])
    #expect(forced.out.contains("portable for near-duplicates, fallback for JSON"), "\(forced.out)")
    let unknown = try bench.run("doctor", environment: ["PIPELINE_SIMD": "sse9"])
    #expect(unknown.status == 0 && unknown.out.contains("PIPELINE_SIMD is 'sse9', which is not known"))
  }

  /// As installed from a release, where nothing was built yet.
  @Test func doctorSaysWhatTheEngineNeeds() throws {
    let bench = try Workbench()
    let (bin, script) = (bench.folder + "/env/bin", bench.folder + "/env/share/pipeline/Scripts/engine")
    for folder in [bin, script] { try FileSystem.makeDirectory(ArchivePath.parent(of: folder)!) }
    try FileSystem.makeDirectory(bin)
    try FileSystem.write([], to: script)
    try #require(bench.shell("cp \(Workbench.program) \(bin)/pipeline").status == 0)
    // Other tests of this process may have named an engine.
    let doctor = ["/usr/bin/env", "-u", "PIPELINE_ENGINE", "-u", "PIPELINE_PARQUET", "\(bin)/pipeline", "doctor"]
    let lacking = try bench.start(doctor, environment: ["CXX": "no-compiler", "PIPELINE_PYTHON": "/no/python"]).wait()
    #expect(lacking.status == 0, "\(lacking)")
    let told = lacking.output.replacing("\n", with: " ")
    for part in ["is not built", script, "'no-compiler'", "a Python with torch 2.11 or newer"] {
      #expect(told.contains(part), "\(part): \(lacking.output)")
    }
  }

  /// Without certificates requests fail with a sentence that says what to install.
  @Test func doctorFindsTheCertificates() throws {
    let bench = try Workbench()
    let named = try bench.run("doctor", environment: ["SSL_CERT_FILE": "/no/certificates.pem"])
    #expect(named.out.contains("/no/certificates.pem cannot be read"), "\(named.out)")
  }

  /// The program takes what the system allows; programs that it starts keep the shell's limit.
  @Test func moreFilesMayBeOpenThanInTheShell() throws {
    let bench = try Workbench(
      """
      { "format": 1, "name": "corpus", "stages": {
          "make": { "use": "command.files",
            "options": { "command": ["sh", "-c", "ulimit -n > {output.files}/limit"] } } } }
      """)
    let most = try #require(Int(try bench.shell("ulimit -Hn").out.dropLast()))
    try #require(most >= 1024)
    let doctor = try bench.shell("ulimit -Sn 300; pipeline doctor")
    #expect(doctor.out.contains("\(min(most, 1 << 17)) can be open at once"), "\(doctor.out)")
    let run = try bench.shell("ulimit -Sn 300; pipeline run corpus.json && cat .pipeline/artifacts/make/*/files/limit")
    #expect(run.status == 0 && run.out.hasSuffix("300\n"), "\(run.out)\(run.err)")
    let low = try bench.shell("ulimit -n 300; pipeline doctor")
    #expect(low.status == 1 && low.out.contains("300 can be open at once"), "\(low.out)")
  }
}
