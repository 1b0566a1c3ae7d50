import ArgumentParser
import Glibc
import PipelineKit
import ShardKit

struct AblateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "ablate", abstract: "Train on variants of the data, and compare the models' scores with their noise.",
    usage: "pipeline ablate [<pipeline-file>] [--without <stage>] … [--sweep <name=values>] … [<options>]",
    discussion: """
      Runs the pipeline as it is and each variant, with every seed, up to the stages that evaluate the model. Variants \
      share everything that does not differ, with each other and with the pipeline's own runs. Interrupted, it \
      continues where it stopped; done, it prints the table again.

      A seed is that of the stages that train a model. <name> is a parameter, a path such as \
      stages.dedupe.options.threshold, or STAGE.OPTION.

      EXAMPLES
        pipeline ablate corpus.json --without dedupe --without quality
        pipeline ablate corpus.json --sweep dedupe.threshold=0.7,0.8,0.9
        pipeline ablate corpus.json --file strict.json --seeds 1,2,3,4,5
        pipeline trace corpus.json --variant without-dedupe/seed-1 ID
      """)

  @OptionGroup var options: SpecArguments

  @Option(help: ArgumentHelp("A variant without this stage: its readers read what it reads.", valueName: "stage"))
  var without: [String] = []

  @Option(help: ArgumentHelp("A variant per value.", valueName: "name=values"))
  var sweep: [String] = []

  @Option(help: ArgumentHelp("Another pipeline file as a variant.", valueName: "file"), completion: .file())
  var file: [String] = []

  @Option(
    help: ArgumentHelp("Seeds of the training, each of which is one run per variant.", valueName: "numbers"),
    transform: seeds)
  var seeds = [1, 2, 3]

  @Option(
    help: ArgumentHelp("A stage whose measures to compare (default: all that evaluate a model).", valueName: "stage"))
  var score: [String] = []

  @OptionGroup var place: ExecutorOptions

  @Option(help: "Number of concurrent tasks (default: the number of processors).")
  var jobs: Int?

  @Flag(help: "After a run that fails, continue with the other ones.")
  var keepGoing = false

  @Flag(help: "Show what would run, without running anything.")
  var dryRun = false

  @Option(help: ArgumentHelp("Draw the scores into this file.", valueName: "file"), completion: .file())
  var svg: String?

  @Flag(help: "Print JSON.")
  var json = false

  private static func seeds(_ text: String) throws -> [Int] {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Int($0) }
    let numbers = parts.compactMap { $0 }
    guard numbers.count == parts.count, Set(numbers).count == numbers.count, numbers.allSatisfy({ $0 >= 0 }) else {
      throw ValidationError("--seeds must be different numbers, such as 1,2,3, not '\(text)'.")
    }
    return numbers
  }

  func validate() throws {
    guard !(without.isEmpty && sweep.isEmpty && file.isEmpty) else {
      throw ValidationError("Nothing is compared. Name a variant with --without, --sweep or --file.")
    }
    try ExecutorOptions.check(jobs: jobs)
    _ = try sweep.map { try Sweep($0) }
  }

  func run() throws {
    let sweeps = try sweep.map { try Sweep($0) }
    let settings = sweeps.flatMap { sweep in sweep.values.map { "\(sweep.name)=\($0)" } }
    let path = try options.documentPath()
    let ablation = try Ablation(
      path, setting: options.parameters, site: options.site,
      changes: without.map { .without($0) } + settings.map { .setting($0) } + file.map { .file($0) }, seeds: seeds,
      scores: score)
    let base = ablation.base
    let store = try options.openStore(base, creating: !dryRun, isShared: place.isRemote)
    if dryRun { return try show(try AblationPlan(ablation, store, runSettings(ablation)).table) }
    try ablation.record(in: store)
    let runs = AblationRuns(
      ablation: ablation, store: store, settings: try runSettings(ablation), keepGoing: keepGoing,
      cluster: try place.isRemote ? place.jobs(options, base, store) : nil)
    let done = try runs.run()
    let report = AblationReport(try AblationScores(ablation, done: done, store))
    if let svg { try FileSystem.write(Array(AblationPicture(report).svg.utf8), to: svg) }
    if json { Console.json(report.json) } else { for line in report.lines(Style(STDOUT_FILENO)) { Console.line(line) } }
    if done.count < ablation.variants.reduce(0, { $0 + $1.runs.count }) { throw ExitCode(1) }
  }

  private func show(_ table: TextTable) throws {
    for line in table.lines(Style(STDOUT_FILENO)) { Console.line(line) }
  }

  private func runSettings(_ ablation: Ablation) throws -> PipelineRun.Settings {
    var settings = PipelineRun.Settings()
    settings.until = ablation.scores
    if let jobs { settings.jobs = jobs }
    settings.arguments = CommandLine.arguments.dropFirst().joined(separator: " ")
    try AddressSpace.fit(&settings)
    return settings
  }
}
