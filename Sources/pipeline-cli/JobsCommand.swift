import ArgumentParser
import PipelineKit
import ShardKit

struct JobsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "jobs", abstract: "List the jobs that runs have left on a cluster, or end them.",
    usage: "pipeline jobs [<pipeline-file>] [--cancel] [<options>]",
    discussion: """
      Jobs continue when a run is interrupted or its machine fails. The next `pipeline run` with the same --executor \
      finds them and does not submit their tasks again.
      """)

  @OptionGroup var options: SpecArguments
  @OptionGroup var place: ExecutorOptions

  @Flag(help: "End the jobs. Finished tasks are kept.")
  var cancel = false

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let graph = try options.graph()
    let store = FileSystem.realPath(options.storeRoot(graph))
    if cancel { return try cancelJobs(store, graph) }
    let list = try JobList(store: store, isStrict: false)
    if json { return Console.json(.list(list.jobs.map(Self.json))) }
    guard !list.jobs.isEmpty else { return Console.line("no jobs") }
    var table = TextTable([("job", .left), ("stage", .left), ("phase", .left), ("jobs", .right), ("asked for", .left)])
    for job in list.jobs {
      table.add([
        job.numbers.isEmpty ? "not known" : job.numbers.joined(separator: ", "), job.batch.stage, job.batch.phase,
        "\(job.batch.groups.count)",
        job.batch.request.words,
      ])
    }
    for line in table.lines(Style(1)) { Console.line(line) }
  }

  private func cancelJobs(_ store: String, _ graph: Graph) throws {
    // A run that is alive would submit them again.
    let lock = try StoreLock(root: store)
    defer { withExtendedLifetime(lock) {} }
    let list = try JobList(store: store, isStrict: true)
    let cluster = try ExecutorOptions.cluster(place.siteProfile(options.site, beside: graph.document.folder))
    let left = try list.cancel(cluster)
    guard left.isEmpty else {
      throw RunError(
        .environment, "these jobs have not ended within a minute: \(left.joined(separator: ", "))",
        hint: "End them with the scheduler's own command.")
    }
    Console.line("\(Quantities.plural(list.jobs.reduce(0) { $0 + $1.batch.groups.count }, "job")) cancelled")
  }

  private static func json(_ job: JobList.Job) -> JSONValue {
    [
      "job": job.numbers.first.map { .string($0) } ?? .null, "name": .string(job.batch.jobName),
      "run": .integer(Int(job.batch.run)), "stage": .string(job.batch.stage), "phase": .string(job.batch.phase),
      "jobs": .integer(job.batch.groups.count), "tasks": .integer(job.batch.groups.reduce(0) { $0 + $1.count }),
      "folder": .string(job.folder.path),
    ]
  }
}
