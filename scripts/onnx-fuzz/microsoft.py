MAKERS = {}
def types(case):
    return [None]*case.outputs
