import ArgumentParser
import Glibc
import PipelineKit
import ShardKit
import Stages

struct LockCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "lock", abstract: "Write down the finished outputs by digest, and share them.",
    usage: "pipeline lock [<pipeline-file>] [--remote <place>] [<options>]",
    discussion: """
      Writes NAME.lock.json next to the pipeline file: the digest of every stage's output. With --remote, the outputs \
      are stored there too. Keep the lock file in version control: `pipeline run` then fetches what it names, verified \
      by digest, instead of computing it.

      EXAMPLES
        pipeline lock corpus.json --remote s3://team/artifacts
        pipeline lock corpus.json --remote /groups/nlp/artifacts
      """)

  @OptionGroup var options: SpecArguments
  @OptionGroup var shared: RemoteOptions

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let graph = try options.graph()
    let store = try options.openStore(graph)
    let locking = ArtifactLocking(graph: graph, store: store)
    let manifests = try locking.manifests()
    let old = try ArtifactLock.load(of: graph.document.path)
    let place = shared.isOff ? nil : shared.named ?? old?.remote
    var sent = (files: 0, bytes: Int64(0))
    if let place {
      let remote = try RemoteOptions.open(place, beside: graph.document.folder)
      for manifest in manifests {
        let one = try locking.publish(manifest, to: remote)
        sent = (sent.files + one.files, sent.bytes + one.bytes)
      }
    }
    let lock = ArtifactLocking.lock(manifests, pipeline: graph.document.name, remote: place)
    try lock.write(of: graph.document.path)
    if json {
      return Console.json([
        "file": .string(ArtifactLock.path(of: graph.document.path)), "artifacts": .integer(lock.artifacts.count),
        "sentFiles": .integer(sent.files), "sentBytes": .integer(Int(sent.bytes)),
      ])
    }
    Console.line(
      "\(ArtifactLock.path(of: graph.document.path)) names \(Quantities.plural(lock.artifacts.count, "output"))")
    guard let place else { return }
    Console.line("\(Quantities.plural(sent.files, "file")) sent to \(place), \(Quantities.bytes(sent.bytes))")
  }
}

/// Where finished outputs are shared.
struct RemoteOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where outputs are shared: s3://bucket/prefix or a folder (default: what the lock file names).",
      valueName: "place"))
  var remote: String?

  @Flag(name: .customLong("no-remote"), help: "Use no shared outputs.")
  var isOff = false

  /// The named place; a folder's path from the root.
  var named: String? {
    remote.map { $0.hasPrefix("/") || $0.contains("://") ? $0 : "\(FileSystem.realPath("."))/\($0)" }
  }

  func validate() throws {
    if isOff, remote != nil { throw ValidationError("--remote and --no-remote exclude each other.") }
  }

  /// The outputs that the pipeline's lock names; nil without a lock or a place.
  func locked(_ document: PipelineSpec) throws -> LockedArtifacts? {
    guard !isOff else { return nil }
    let chosen = try named.map { try Self.open($0, beside: document.folder) }
    guard let lock = try ArtifactLock.load(of: document.path) else {
      guard let remote else { return nil }
      throw RunError(
        .notFound, "there is no \(ArtifactLock.path(of: document.path)), which says what to take from \(remote)",
        hint: "Get it from whoever ran `pipeline lock`, or run without --remote.")
    }
    if let chosen { return LockedArtifacts(lock: lock, remote: chosen) }
    return try lock.remote.map { LockedArtifacts(lock: lock, remote: try Self.open($0, beside: document.folder)) }
  }

  static func open(_ place: String, beside folder: String) throws -> any ArtifactRemote {
    if place.hasPrefix("s3://") { return try S3Remote(place) }
    if let scheme = place.firstRange(of: "://") {
      throw ValidationError("--remote takes s3://bucket/prefix or a folder, not \(place[..<scheme.upperBound])….")
    }
    return FolderRemote(place.hasPrefix("/") ? place : "\(folder)/\(place)")
  }
}
