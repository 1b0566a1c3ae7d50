/// Every reader of bytes from outside, by name.
let targets: [String: FuzzTarget] = [
  stageTargets, streamTargets, recordTargets, webTargets, workTargets, textTargets, serverTargets, listTargets,
  modelTargets, stateTargets, inferTargets,
].reduce(into: [:]) { all, some in all.merge(some) { _, _ in fatalError("two targets have the same name") } }
