import Glibc
import ShardKit
import TestKit
import Testing

/// `pipeline lock`, and runs that take what a lock names from a shared place.
@Suite struct LockTests {
  /// One person's finished run, and a colleague's folder with the same pipeline file and its lock.
  private struct Team {
    let owner: Workbench
    let colleague: Workbench
    let remote: String

    init(environment: [String: String] = [:], remote: String? = nil) throws {
      owner = try Workbench()
      colleague = try Workbench()
      self.remote = remote ?? owner.folder + "/shared"
      #expect(try owner.run("run", "corpus.json").status == 0)
      let locked = try owner.run("lock", "corpus.json", "--remote", self.remote, environment: environment)
      #expect(locked.status == 0, "\(locked.err)")
      #expect(locked.out.hasPrefix("corpus.lock.json names 3 outputs\n"))
      try pass()
    }

    /// Gives the colleague the lock file as it is.
    func pass() throws {
      try FileSystem.write(
        FileSystem.read(owner.folder + "/corpus.lock.json"), to: colleague.folder + "/corpus.lock.json")
    }

    func objects() throws -> [String] { try FileSystem.walk(remote + "/objects").map { "\(remote)/objects/\($0)" } }

    /// The object with a file's content.
    func object(of stage: String) throws -> String {
      let folder = String(try owner.run("artifact", "corpus.json", stage).out.dropLast())
      let file = try #require(try FileSystem.list(folder).first { $0.hasSuffix(".zst") })
      let digest = try Digester.digest(file: "\(folder)/\(file)").hex
      return "\(remote)/objects/\(digest.prefix(2))/\(digest)"
    }
  }

  @Test func aColleagueFetchesWhatTheLockNames() throws {
    let team = try Team()
    // Not even the texts are needed: the lock says what they were.
    try FileSystem.removeTree(team.colleague.folder + "/texts")
    let plan = try team.colleague.run("plan", "corpus.json").out
    #expect(plan.contains("read    fetch    the lock file names its output, which is in \(team.remote)"), "\(plan)")
    let outcome = try team.colleague.run("run", "corpus.json")
    #expect(outcome.status == 0, "\(outcome.err)")
    for stage in ["read", "clean", "shards"] {
      #expect(outcome.err.contains("\(stage.padding(6))  fetched from \(team.remote): "), "\(outcome.err)")
      let folders = try [team.owner, team.colleague].map {
        String(try $0.run("artifact", "corpus.json", stage).out.dropLast())
      }
      #expect(try Self.content(folders[0]) == Self.content(folders[1]))
    }
    #expect(try team.colleague.run("verify").out.hasPrefix("no damage: "))
    #expect(try team.colleague.run("trace", "f1/0").out.contains("shards  kept: sample 2"))
    #expect(try team.colleague.run("run", "corpus.json").out.hasPrefix("nothing to do: 3 stages"))
    let json = try team.owner.run("lock", "corpus.json", "--json").out
    #expect(try JSONValue.parse(json).value["sentFiles"]?.integer == 0, "what is there is not sent again")
  }

  @Test func whatDiffersFromTheLockIsComputed() throws {
    let team = try Team()
    let other = try team.colleague.run("run", "corpus.json", "--set", "stages.clean.options.minimumBytes=85")
    #expect(other.err.contains("read    fetched") && other.err.contains("clean   done"), "\(other.err)")
    let forced = try team.colleague.run("run", "corpus.json", "--force", "--only", "read")
    #expect(forced.err.contains("read    done"))
    let alone = try Workbench()
    try FileSystem.write(
      FileSystem.read(team.owner.folder + "/corpus.lock.json"), to: alone.folder + "/corpus.lock.json")
    #expect(try !alone.run("run", "corpus.json", "--no-remote").err.contains("fetched"))
    let elsewhere = try alone.run(
      "run", "corpus.json", "--remote", "nowhere", "--set", "stages.clean.options.minimumBytes=1")
    #expect(elsewhere.status == 0 && elsewhere.err.contains("clean   done"))
  }

  @Test func anAbsentObjectIsComputed() throws {
    let team = try Team()
    try FileSystem.remove(try team.object(of: "clean"))
    let outcome = try team.colleague.run("run", "corpus.json")
    #expect(outcome.status == 0)
    #expect(outcome.err.contains("note: 'clean' is computed: \(team.remote) does not have what the lock file names"))
    #expect(outcome.err.contains("clean   done") && outcome.err.contains("shards  fetched"), "\(outcome.err)")
  }

  /// Nothing of what a hostile place sends gets into the store.
  @Test func whatIsNotWhatTheLockNamesIsRefused() throws {
    let team = try Team()
    let object = try team.object(of: "clean")
    let good = try FileSystem.read(object)
    var wrong = good
    wrong[good.count / 2] ^= 1
    for bad in [wrong, Array(good.dropLast()), [], [UInt8](repeating: 0, count: 1 << 20)] {
      try FileSystem.write(bad, to: object)
      let outcome = try team.colleague.run("run", "corpus.json")
      #expect(outcome.status == 1)
      let sentence = team.colleague.errors(outcome).first ?? ""
      #expect(
        sentence.hasPrefix(
          "stage 'clean': \(team.remote): what it has for 'clean' is not what the lock names: the object "),
        "\(sentence)")
      #expect(sentence.hasSuffix("`pipeline lock`. Until then, compute the stage with --no-remote."), "\(sentence)")
      #expect(try team.colleague.run("artifact", "corpus.json", "clean").status == 1)
    }
    // More than it should be: only as many bytes as it must have are read.
    try FileSystem.write(good + [0], to: object)
    #expect(try team.colleague.run("run", "corpus.json").status == 0)
    try FileSystem.remove(object)
    #expect(symlink("/dev/zero", object) == 0)
    let device = try Workbench()
    try FileSystem.write(
      FileSystem.read(team.owner.folder + "/corpus.lock.json"), to: device.folder + "/corpus.lock.json")
    #expect(try device.run("run", "corpus.json").status == 1)
  }

  /// What a full disk or a crash leaves has the right size, and not the right bytes.
  @Test func whoeverHasTheOutputRepairsWhatIsDamaged() throws {
    let team = try Team()
    let lock = try JSONValue.parse(FileSystem.read(team.owner.folder + "/corpus.lock.json")).value
    let manifest = try #require(lock["artifacts"]?.array?.last?["manifest"]?.string)
    let damaged = [try team.object(of: "clean"), "\(team.remote)/objects/\(manifest.prefix(2))/\(manifest)"]
    for object in damaged {
      try FileSystem.write([UInt8](repeating: 0, count: FileSystem.read(object).count), to: object)
    }
    #expect(try team.colleague.run("run", "corpus.json").status == 1)
    let again = try team.owner.run("lock", "corpus.json")
    #expect(again.out.contains("\n1 file sent to \(team.remote), "), "\(again.out)")
    let outcome = try team.colleague.run("run", "corpus.json")
    #expect(outcome.status == 0 && !outcome.err.contains("done"), "\(outcome.err)")
    #expect(try team.owner.run("lock", "corpus.json").out.contains("\n0 files sent"))
  }

  /// A lock and a manifest that agree with each other and name files outside of the stage's folder.
  @Test func aManifestCannotLeaveItsFolder() throws {
    let team = try Team()
    let lock = try JSONValue.parse(FileSystem.read(team.owner.folder + "/corpus.lock.json")).value
    let entry = try #require(lock["artifacts"]?.array?.first)
    let digest = try #require(entry["manifest"]?.string)
    let text = String(
      decoding: try FileSystem.read("\(team.remote)/objects/\(digest.prefix(2))/\(digest)"), as: UTF8.self)
    for port in ["../../../evil", "/evil", "tasks", "..", ".state", "manifest.json", "a/b", "documents\\u0000"] {
      let forged = Array(text.replacing("\"port\": \"documents\"", with: "\"port\": \"\(port)\"").utf8)
      let own = Digester.digest(forged).hex
      try FileSystem.makeDirectory("\(team.remote)/objects/\(own.prefix(2))")
      try FileSystem.write(forged, to: "\(team.remote)/objects/\(own.prefix(2))/\(own)")
      let written = lock.prettyText().replacing(digest, with: own).replacing(
        "\"manifestBytes\": \(entry["manifestBytes"]!.integer!)", with: "\"manifestBytes\": \(forged.count)")
      try team.colleague.write("corpus.lock.json", written)
      let outcome = try team.colleague.run("run", "corpus.json")
      #expect(outcome.status == 1, "\(port)")
      #expect(
        team.colleague.errors(outcome).first?.contains("which no stage writes") == true, "\(port): \(outcome.err)")
    }
    #expect(!FileSystem.exists(team.colleague.folder + "/evil") && !FileSystem.exists("/evil"))
  }

  @Test func locksThatCannotBeMadeOrRead() throws {
    let bench = try Workbench()
    let early = try bench.run("lock", "corpus.json")
    #expect(early.status == 2)
    #expect(
      bench.errors(early) == [
        "a lock names finished outputs, and these stages are not up to date: read, clean, shards. Run the pipeline first."
      ])
    let without = try bench.run("run", "corpus.json", "--remote", "shared")
    #expect(
      bench.errors(without).first?.hasPrefix("there is no corpus.lock.json, which says what to take from shared")
        == true)
    let wrong = try bench.run("run", "corpus.json", "--remote", "https://x/y")
    #expect(wrong.status == 2 && wrong.err.contains("--remote takes s3://bucket/prefix or a folder, not https://…"))
    try bench.write("corpus.lock.json", #"{ "format": 2, "pipeline": "corpus", "artifacts": [] }"#)
    #expect(try bench.run("plan", "corpus.json").status == 1)
    #expect(try bench.run("run", "corpus.json", "--remote", "x", "--no-remote").status == 2)
  }

  /// Through S3, with botocore's signatures: sent once, fetched and verified.
  @Test(.needs(ObjectStore.isUsable, "needs moto and boto3")) func aBucketIsShared() throws {
    let store = try ObjectStore()
    let environment = [
      "AWS_ACCESS_KEY_ID": ObjectStore.accessKey, "AWS_SECRET_ACCESS_KEY": ObjectStore.secretKey,
      "AWS_EC2_METADATA_DISABLED": "true", "AWS_ENDPOINT_URL_S3": store.origin,
    ]
    let team = try Team(environment: environment, remote: "s3://corpus/team")
    let sent = try store.requests().filter { $0.method == "PUT" }.count
    #expect(sent >= 6)
    let again = try team.owner.run("lock", "corpus.json", environment: environment)
    #expect(again.out.contains("0 files sent to s3://corpus/team"))
    #expect(try store.requests().filter { $0.method == "PUT" }.count == sent)
    try FileSystem.removeTree(team.colleague.folder + "/texts")
    let outcome = try team.colleague.run("run", "corpus.json", environment: environment)
    #expect(outcome.status == 0, "\(outcome.err)")
    #expect(outcome.err.contains("shards  fetched from s3://corpus/team: "))
    #expect(try team.colleague.run("verify").out.hasPrefix("no damage: "))
    #expect(!outcome.err.contains(ObjectStore.secretKey))
    let refused = try Workbench()
    try FileSystem.write(
      FileSystem.read(team.owner.folder + "/corpus.lock.json"), to: refused.folder + "/corpus.lock.json")
    try store.fault("objects/", ["status": 200, "body": "wrong"])
    let outcome2 = try refused.run("run", "corpus.json", environment: environment)
    #expect(outcome2.status == 1, "\(outcome2.err)")
  }

  private static func content(_ folder: String) throws -> [String: Digest] {
    Dictionary(
      uniqueKeysWithValues: try FileSystem.walk(folder).map { ($0, try Digester.digest(file: "\(folder)/\($0)")) })
  }
}

extension String {
  fileprivate func padding(_ columns: Int) -> String { self + String(repeating: " ", count: max(0, columns - count)) }
}
