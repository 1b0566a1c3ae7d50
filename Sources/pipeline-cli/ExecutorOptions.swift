import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

/// The place whose profile counts: what jobs ask for there, and its values for pipeline files.
struct ProfileOption: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "The profile: its name, its file, or file:name (default: pipeline-profile.json beside the pipeline file, or in "
        + "~/.config/pipeline).", valueName: "profile"))
  var profile: String?

  var parts: (file: String?, name: String?) { Self.parts(profile) }

  static func parts(_ text: String?) -> (file: String?, name: String?) {
    guard let text else { return (nil, nil) }
    if DocumentSyntax.isDocument(text) { return (text, nil) }
    for ending in DocumentSyntax.endings {
      guard let end = text.firstRange(of: ending + ":") else { continue }
      return (String(text[..<end.lowerBound]) + ending, String(text[end.upperBound...]))
    }
    return text.contains("/") ? (text, nil) : (nil, text)
  }
}

/// Where tasks run.
struct ExecutorOptions: ParsableArguments {
  enum Kind: String, ExpressibleByArgument, CaseIterable { case local, slurm, ssh }

  @Option(help: "Where tasks run: local, slurm or ssh (default: local). Jobs are described by a profile.")
  var executor: Kind?

  /// Whether tasks run as jobs.
  var isRemote: Bool { executor != nil && executor != .local }

  /// The profile that `--profile` names, or the implied one.
  /// - Parameter folder: the pipeline file's.
  func siteProfile(_ site: ProfileOption, beside folder: String) throws -> SiteProfile {
    let (file, name) = site.parts
    let found = try ProfileFile.load(ProfileFile.find(file, beside: folder), profile: name)
    if let executor, executor.rawValue != found.executor.rawValue {
      throw ValidationError("--executor is \(executor.rawValue), but the profile is for \(found.executor.rawValue).")
    }
    return found
  }

  /// Runs tasks as jobs of the profile.
  /// - Parameter onInterrupt: what Ctrl-C means for jobs; nil: what the profile says.
  func jobs(_ options: SpecArguments, _ graph: Graph, _ store: RunStore, onInterrupt: InterruptChoice? = nil) throws
    -> ClusterExecutor
  {
    let profile = try siteProfile(options.site, beside: graph.document.folder)
    let question = InterruptQuestion(choice: onInterrupt ?? profile.onInterrupt)
    return ClusterExecutor(
      try Self.cluster(profile), profile: profile, store: store, interrupted: { _ in question.answer() })
  }

  /// - Throws: `ValidationError` if `--jobs` is out of its range.
  static func check(jobs: Int?) throws {
    guard let jobs, jobs < 1 || jobs > 1024 else { return }
    throw ValidationError("--jobs must be between 1 and 1024, not \(jobs).")
  }

  static func cluster(_ profile: SiteProfile) throws -> any Cluster {
    switch profile.executor {
    case .slurm: try SlurmCluster(profile: profile)
    case .ssh: try SSHCluster(profile: profile)
    }
  }
}
