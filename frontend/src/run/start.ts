import { useMutation } from "@tanstack/react-query";
import { api, type Order } from "../api/client";
import { forgetRun, rememberRun } from "../api/queries";
import type { RunInfo, RunRequest } from "../api/schema";

export function useStart(onStart: (run: RunInfo) => void) {
  return useMutation({
    mutationFn: (request: RunRequest) => api.start(request),
    onSuccess: (run) => {
      rememberRun(run);
      onStart(run);
    },
  });
}

export function useOrder(id: string, onRun: (run: RunInfo) => void = () => {}) {
  return useMutation({
    mutationFn: (order: Order) => api.order(id, order),
    onSuccess: (run) => {
      rememberRun(run);
      onRun(run);
    },
  });
}

export function useRemove(id: string) {
  return useMutation({
    mutationFn: () => api.remove(id),
    onSuccess: () => forgetRun(id),
  });
}
