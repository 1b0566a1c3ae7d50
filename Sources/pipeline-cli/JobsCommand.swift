import ArgumentParser
import PipelineKit
import ShardKit

struct JobsCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "jobs", abstract: "List the jobs that runs have left on a cluster, or end them.",
    usage: "pipeline jobs [<pipeline-file>] [--cancel] [<options>]",
    discussion: """
      Jobs go on when a run is interrupted or its machine fails. The next `pipeline run` with the same --executor finds
      them, and does not submit their tasks again.
      """)

  @OptionGroup var options: SpecArguments
  @OptionGroup var place: ExecutorOptions

  @Flag(help: "End the jobs. Finished tasks are kept.")
  var cancel = false

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let graph = try options.graph()
    let list = JobList(store: FileSystem.realPath(options.storeRoot(graph)))
    if cancel {
      let profile = try place.siteProfile(beside: graph.document.folder)
      try list.cancel(ExecutorOptions.cluster(profile))
      for job in list.jobs { try FileSystem.removeTree(job.folder.path) }
      return Console.line("\(Quantities.plural(list.jobs.reduce(0) { $0 + $1.batch.groups.count }, "job")) cancelled")
    }
    if json { return Console.json(.list(list.jobs.map(Self.json))) }
    guard !list.jobs.isEmpty else { return Console.line("no jobs") }
    var table = TextTable([("job", .left), ("stage", .left), ("phase", .left), ("jobs", .right), ("asked for", .left)])
    for job in list.jobs {
      table.add([
        job.number ?? "not known", job.batch.stage, job.batch.phase, "\(job.batch.groups.count)",
        job.batch.request.words,
      ])
    }
    for line in table.lines(Style(1)) { Console.line(line) }
  }

  private static func json(_ job: JobList.Job) -> JSONValue {
    [
      "job": job.number.map { .string($0) } ?? .null, "name": .string(job.batch.jobName),
      "run": .integer(Int(job.batch.run)), "stage": .string(job.batch.stage), "phase": .string(job.batch.phase),
      "jobs": .integer(job.batch.groups.count), "tasks": .integer(job.batch.groups.reduce(0) { $0 + $1.count }),
      "folder": .string(job.folder.path),
    ]
  }
}
